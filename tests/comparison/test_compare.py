"""Comparisons as a whole: what is run, what is kept, what is repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polytask.comparison import compare as module
from polytask.comparison.cache import RunCache
from polytask.comparison.compare import compare
from polytask.comparison.config import read_comparison
from polytask.comparison.plan import plan
from polytask.comparison.pools import InProcess, ProcessPool
from polytask.display.display import Display
from small_study import TARGETS, study
from small_table import assert_refused, polytask


class Counting(InProcess):
    """Does runs here, and remembers which."""

    def __init__(self) -> None:
        self.specs: list[dict[str, Any]] = []

    def submit(self, spec: dict[str, Any], folder: Path) -> Any:
        self.specs.append(spec)
        return super().submit(spec, folder)


class Listening(Display):
    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, text: str) -> None:
        self.warned.append(text)


def run(path: Path, out: Path, pool: Any = None) -> tuple[dict[str, Any], Counting]:
    pool = pool or Counting()
    config, where = read_comparison(path)
    return compare(config, out, where=where, pool=pool), pool


def without_times(results: dict[str, Any]) -> dict[str, Any]:
    """The same without what no two runs have in common: times, and where the data are."""

    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: cleaned(v) for k, v in value.items() if "seconds" not in k and k not in ("peak_memory", "data")}
        return [cleaned(item) for item in value] if isinstance(value, list) else value

    return cleaned(results)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Counting]:
    folder = tmp_path_factory.mktemp("compared")
    results, pool = run(study(folder), folder / "out")
    return folder, results, pool


def test_all_methods_have_the_same_budget(compared: Any) -> None:
    _, results, _ = compared
    methods = results["setups"]["table"]["methods"]
    assert list(methods) == ["equal", "static", "dwa"]
    assert {len(found["trials"]) for found in methods.values()} == {2}
    assert all(list(found["seeds"]) == ["0", "1"] for found in methods.values())


def test_trials_leave_the_test_split_alone(compared: Any) -> None:
    _, _, pool = compared
    assert {spec["part"] for spec in pool.specs} == {"validation", "test"}
    assert all(spec["config"]["seed"] == 0 for spec in pool.specs if spec["part"] == "validation")


def test_the_chosen_settings_are_the_best_on_validation(compared: Any) -> None:
    for found in compared[1]["setups"]["table"]["methods"].values():
        best = max(found["trials"], key=lambda trial: trial["score"])
        assert found["chosen"] == best["settings"]


def test_static_weights_sum_to_the_number_of_tasks(compared: Any) -> None:
    weights = [
        spec["config"]["balance"]["values"] for spec in compared[2].specs if isinstance(spec["config"]["balance"], dict)
    ]
    assert weights and all(sum(found.values()) == pytest.approx(len(TARGETS)) for found in weights)


def test_results_and_tables_are_written(compared: Any) -> None:
    folder, results, _ = compared
    assert json.loads((folder / "out" / "results.json").read_text()) == results
    written = {path.name for path in (folder / "out" / "tables").iterdir()}
    assert {"methods.csv", "methods.md", "tasks.csv", "tests.csv", "costs.csv", "runs.md"} <= written
    assert "reference" in (folder / "out" / "tables" / "tests.csv").read_text()
    for entry in results["setups"]["table"]["methods"].values():
        for found in [*entry["seeds"].values(), *entry["trials"]]:
            assert (folder / "out" / "runs" / found["run"] / "metrics.jsonl").exists()


def test_again_nothing_is_run_and_a_new_method_is_all_that_is(compared: Any) -> None:
    folder, results, _ = compared
    again, pool = run(folder / "study.yaml", folder / "out")
    assert pool.specs == [] and again == results
    more = study(folder, methods={"dwa": {"balance": "dwa"}, "rlw": {"balance": "rlw"}})
    added, pool = run(more, folder / "out")
    assert len(pool.specs) == 4 and {spec["config"]["balance"] for spec in pool.specs} == {"rlw"}
    assert added["setups"]["table"]["methods"]["dwa"] == results["setups"]["table"]["methods"]["dwa"]


@pytest.mark.slow
def test_processes_give_the_same_results(compared: Any, tmp_path: Path) -> None:
    results, _ = run(study(tmp_path), tmp_path / "out", ProcessPool(2))
    assert without_times(results) == without_times(compared[1])


def test_a_damaged_entry_is_noticed_and_done_again(tmp_path: Path) -> None:
    path = study(tmp_path, trials=1)
    before, _ = run(path, tmp_path / "out")
    records = sorted((tmp_path / "out" / "runs").glob("*/record.json"))
    text = records[0].read_text()
    records[0].write_text(text.replace('"validation": 0.', '"validation": 1.', 1))
    records[1].write_text(records[1].read_text()[:100])
    display, pool = Listening(), Counting()
    config, where = read_comparison(path)
    after = compare(config, tmp_path / "out", where=where, pool=pool, display=display)
    assert len(pool.specs) == 2
    assert sum("damaged" in warning for warning in display.warned) == 2
    assert without_times(after) == without_times(before)


def test_a_failed_run_is_reported_with_its_log_and_sinks_no_other(tmp_path: Path) -> None:
    encoder = tmp_path / "failing_encoder.py"
    encoder.write_text(
        "import torch\n"
        "class Encoder(torch.nn.Linear):\n"
        "    def __init__(self, widths):\n"
        "        super().__init__(widths.numeric, 4)\n"
        "    def forward(self, inputs):\n"
        "        if self.training:\n"
        "            raise RuntimeError('no luck today')\n"
        "        return super().forward(inputs['numeric'])\n"
    )
    base = {"data": "table.csv", "targets": list(TARGETS), "id": "key", "ignore": ["size", "rank", "note", "colour"],
            "steps": 8, "batch_size": 32}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        path = study(tmp_path, base=base, trials=1, methods={"bad": {"encoder": "failing_encoder:Encoder"}})
        results, _ = run(path, tmp_path / "out")
    methods = results["setups"]["table"]["methods"]
    assert [run["failure"] for run in methods["equal"]["seeds"].values()] == [None, None]
    failed = methods["bad"]["seeds"]["0"]
    assert failed["failure"] == "RuntimeError: no luck today"
    assert "Traceback" in (tmp_path / "out" / "runs" / failed["run"] / "log.txt").read_text()
    statistics = results["setups"]["table"]["statistics"]
    assert statistics["tests"]["skill"]["bad"]["verdict"] == "not tested"
    assert statistics["cost"]["bad"]["failed"] == 2


def test_every_mistake_at_once(tmp_path: Path) -> None:
    base = {"data": "table.csv", "targets": ["click", "prise"], "steps": 8}
    path = study(
        tmp_path,
        base=base,
        methods={"a": {"balance": "dwaa"}, "b": {"learning_rate": -1},
                 "c": {"balance": "dwa", "search": {"balance.temprature": {"low": 1, "high": 2}}},
                 "d": {"search": {"learning_rate": {"low": 1}}}},
    )  # fmt: skip
    result = polytask("compare", path, "--out", tmp_path / "out")
    assert_refused(
        result, "study.yaml: base", "'prise'", "methods.a: balance: unknown method 'dwaa'; did you mean 'dwa'?",
        "methods.b: learning_rate must be more than 0", "methods.c.search.balance.temprature",
        "methods.d.search.learning_rate: expected low and high, or choices",
    )  # fmt: skip
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ({"sedes": 3}, "unknown key 'sedes'; did you mean 'seeds'?"),
        ({"seeds": []}, "seeds: tuple should have at least 1 item"),
        ({"seeds": [1, 1]}, "seeds: expected different numbers"),
        ({"reference": "dwaa"}, "reference: 'dwaa' is not a method; did you mean 'dwa'?"),
        ({"methods": {"equal": {}}}, "methods.equal: the name of a baseline"),
        ({"trials": 1, "search": {"weight_decay": {"low": 0, "high": 1}}}, "search.weight_decay: has an effect only"),
        ({"search": {"weight_decay": {"low": 0, "high": 1, "log": True}}}, "log needs low above 0, found 0"),
        ({"base": {"dataset": "digts"}}, "unknown data set 'digts'; did you mean 'digits'?"),
        ({"baselines": {"forest": True}}, "unknown key 'baselines.forest'"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, keys: dict[str, Any], part: str) -> None:
    assert_refused(polytask("compare", study(tmp_path, **keys), "--out", tmp_path / "out"), part)


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    assert_refused(polytask("compare", study(tmp_path), "--out", tmp_path / "out"), "has other content")
    (tmp_path / "runs" / "first").mkdir(parents=True)  # beside the table, where `fit --out runs/first` has made it
    assert_refused(polytask("compare", study(tmp_path), "--out", tmp_path), "has other content")
    for name in ("runs", "study.db"):
        (tmp_path / "search" / name).mkdir(parents=True)
    assert_refused(polytask("compare", study(tmp_path), "--out", tmp_path / "search"), "one of a comparison")


def test_one_comparison_at_a_time(tmp_path: Path) -> None:
    with module.locked(tmp_path / "out", search=False):
        result = polytask("compare", study(tmp_path), "--out", tmp_path / "out", "--jobs", 0)
    assert_refused(result, "another process is using it")


def test_a_cache_of_records(tmp_path: Path) -> None:
    cache = RunCache(tmp_path)
    assert cache.load("a" * 64) is None
    cache.store("a" * 64, {"tasks": {}, "value": 0.1})
    assert cache.load("a" * 64) == {"tasks": {}, "value": 0.1}


def test_baselines_are_plain_whatever_base_states(tmp_path: Path) -> None:
    config, where = read_comparison(study(tmp_path), ["base.balance=rlw", "base.converge=joint", "base.distill=mtlkd"])
    methods = plan(config, where, tmp_path / "data")["table"].methods
    made = {name: method.maker("")({}, 0, "test").config for name, method in methods.items()}
    assert made["dwa"]["distill"] == "mtlkd" and made["dwa"]["converge"] == "joint"
    assert (made["equal"]["balance"], made["equal"]["converge"], made["equal"]["distill"]) == ("equal", "off", "off")
