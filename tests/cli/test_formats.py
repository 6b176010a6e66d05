"""What is in the folder of a run, and what the commands print: fixed formats that other programs rely on."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import yaml

from small_table import FAST, TARGETS, fit, polytask, table_rows, write_table

KINDS = {"click": "binary", "size": "multiclass", "price": "regression", "rank": "multiclass"}


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda word: pytest.fail(f"{path}: {word}"))


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_files_of_a_run(fitted: Any) -> None:
    files = {
        "config.yaml",
        "metrics.jsonl",
        "results.json",
        "affinity.json",
        "selection.json",
        "networks",
        "report.html",
    }
    found = {path.name for path in fitted.run.iterdir()}
    assert files <= found
    assert found - files <= {
        "schema.json",
        "split.parquet",
        "state.json",
        ".lock",
        "plots.json",
        "intervals.json",
        "calibration.json",
        "thresholds.json",
    }
    for network in (fitted.run / "networks").iterdir():
        assert {path.name for path in network.iterdir()} == {"model.safetensors", "network.json"}


def test_results(fitted: Any) -> None:
    results = load(fitted.run / "results.json")
    assert set(results) == {"tasks", "baselines", "totals", "made_with"}
    assert list(results["tasks"]) == list(TARGETS)
    networks = load(fitted.run / "selection.json")["networks"]
    for name, entry in results["tasks"].items():
        assert set(entry) - {"missed_classes"} == {
            *("kind", "metric", "direction", "validation", "test", "best_epoch", "converged_epoch", "peak", "kept"),
            *("network", "networks", "weight", "interval", "trivial", "learned", "metrics"),
        }
        low, high = entry["interval"]
        assert low <= entry["test"] <= high and entry["metrics"] == {entry["metric"]: entry["test"]}
        assert isinstance(entry["learned"], bool)
        assert entry["kind"] == KINDS[name] and entry["direction"] in ("max", "min")
        assert isinstance(entry["metric"], str) and name in networks[entry["network"]]
        for key in ("validation", "test", "best_epoch", "peak", "kept"):
            assert isinstance(entry[key], float) and math.isfinite(entry[key])
        assert entry["converged_epoch"] is None or isinstance(entry["converged_epoch"], float)
    assert set(results["baselines"]) == {"single_task", "all_in_one", "linear"}
    for baseline in results["baselines"].values():
        assert list(baseline) == list(TARGETS)
        assert all(set(entry) == {"validation", "test", "gain_interval"} for entry in baseline.values())
    assert results["totals"]["seconds"] > 0
    assert results["totals"]["rows"] == {"train": 210, "validation": 45, "test": 45}


def test_every_event_has_event_step_epoch_and_time(fitted: Any) -> None:
    found = events(fitted.run)
    for event in found:
        assert isinstance(event["event"], str) and isinstance(event["step"], int)
        assert isinstance(event["epoch"], float) and isinstance(event["time"], float)
    assert [event["time"] for event in found] == sorted(event["time"] for event in found)
    assert found[0]["event"] == "start" and found[-1]["event"] == "finish"


def test_every_training_starts_and_ends_once_and_is_evaluated(fitted: Any) -> None:
    counts = Counter((event.get("training"), event["event"]) for event in events(fitted.run))
    networks = len(load(fitted.run / "selection.json")["networks"])
    names = ["all_in_one", *(f"network_{k}" for k in range(networks)), *(f"single_task.{name}" for name in TARGETS)]
    for name in names:
        assert counts[name, "training_start"] == counts[name, "training_end"] == 1
        assert counts[name, "evaluation"] >= 1
    steps = [event["step"] for event in events(fitted.run)
             if event["event"] == "evaluation" and event["training"] == "all_in_one"]  # fmt: skip
    assert steps == sorted(set(steps))


def test_affinity_and_selection(fitted: Any) -> None:
    affinity, selection = load(fitted.run / "affinity.json"), load(fitted.run / "selection.json")
    assert set(affinity) == {"tasks", "affinity", "meta"} and affinity["tasks"] == list(TARGETS)
    assert [len(row) for row in affinity["affinity"]] == [4] * 4
    assert {"networks", "serves", "score", "bound", "optimal"} <= set(selection)
    assert set(selection["serves"]) == set(TARGETS) and len(selection["networks"]) <= 2
    assert all(name in selection["networks"][k] for name, k in selection["serves"].items())


def test_select_prints_what_the_run_chose(fitted: Any) -> None:
    result = polytask("select", fitted.run / "affinity.json", "--networks", 2, "--json")
    chosen = json.loads(result.stdout)
    assert {"networks", "serves", "score", "bound", "optimal"} <= set(chosen)
    assert chosen.items() <= load(fitted.run / "selection.json").items()
    assert chosen["optimal"] is True and chosen["bound"] == pytest.approx(chosen["score"])
    table = polytask("select", fitted.run / "affinity.json", "--networks", 2)
    assert "proven best" in table.stdout and all(name in table.stdout for name in TARGETS)


def test_no_pickle_and_no_absolute_path_in_a_run(fitted: Any) -> None:
    for path in filter(Path.is_file, fitted.run.rglob("*")):
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            assert all(set(entry) == {"dtype", "shape", "data_offsets"} for entry in header.values())
            continue  # the length of the header may begin as a pickle does
        if path.suffix == ".parquet":
            assert content.startswith(b"PAR1")
        else:
            content.decode("utf-8")
            assert str(fitted.run.parent).encode() not in content or path.name == "metrics.jsonl", path
        assert not content.startswith((b"\x80", b"PK\x03\x04")), path
        assert path.suffix not in (".pt", ".pth", ".pkl", ".ckpt", ".npy", ".npz")


def test_stored_configuration_is_complete_and_gives_the_same_run(fitted: Any, tmp_path: Path) -> None:
    from polytask.config import Config, flat
    from polytask.config.layout import flat_names, section_names

    sections = yaml.safe_load((fitted.run / "config.yaml").read_text())
    assert [*sections] == section_names() and not flat_names(sections)
    assert set(flat(sections)) == {field.alias or name for name, field in Config.model_fields.items()}
    result = polytask("fit", fitted.run / "config.yaml", "--out", tmp_path / "again", "--quiet")
    assert result.exit_code == 0, result.output
    first, second = load(fitted.run / "results.json"), load(tmp_path / "again" / "results.json")
    assert first["tasks"] == second["tasks"] and first["baselines"] == second["baselines"]


def test_options_override_the_yaml_and_set_overrides_both(fitted: Any, tmp_path: Path) -> None:
    from polytask.config import flat

    write_table(tmp_path / "table.csv", table_rows(100))
    (tmp_path / "study.yaml").write_text(
        "data: table.csv\ntargets: [click, price]\nid: key\nsteps: 3\nseed: 1\nbatch_size: 16\nnetworks: 1\n"
        "baselines: false\nmodel: {dropout: 0.0}\n"
    )
    result = polytask("fit", tmp_path / "study.yaml", "--out", tmp_path / "run", "--seed", 2, "--steps", 4,
                      "--set", "training.steps=5", "--set", "model.hidden=[8]", "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    config = flat(yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()))
    assert (config["steps"], config["seed"], config["batch_size"]) == (5, 2, 16)
    assert config["model"] == {"hidden": [8], "embedding": 8, "dropout": 0.0, "numbers": {"name": "auto"}}
    assert config["data"] == "../table.csv"
    printed = json.loads(result.stdout)
    assert printed == load(tmp_path / "run" / "results.json")
    assert printed["baselines"] == {} and result.stderr == ""
    assert not (tmp_path / "run" / "affinity.json").exists()


def test_quiet_prints_nothing(fitted: Any, tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", [row | {"copy": row["click"]} for row in table_rows(100)])
    result = fit(data, tmp_path / "run", "--no-baselines", "--networks", 1, "--quiet", targets=("click", "price"))
    assert (result.exit_code, result.output) == (0, "")
    extra = write_table(tmp_path / "new.csv", [row | {"copy": "no", "shoe": 42} for row in table_rows(5)])
    result = polytask("predict", tmp_path / "run", extra, "--out", tmp_path / "p.parquet", "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    result = polytask("affinity", data, "--targets", "click,price", "--id", "key", *FAST, "--quiet",
                      "--out", tmp_path / "new" / "affinity.json")  # fmt: skip
    assert (result.exit_code, result.output) == (0, "")
    assert load(tmp_path / "new" / "affinity.json")["tasks"] == ["click", "price"]


def test_leaking_feature_is_noted(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", [row | {"copy": row["rank"]} for row in table_rows(100)])
    result = fit(data, tmp_path / "run", "--no-baselines", "--networks", 1, targets=("rank", "price"))
    assert result.exit_code == 0 and "'copy'" in result.stderr and "'rank'" in result.stderr


def test_fit_states_how_it_understood_the_table_and_shows_every_task(fitted: Any) -> None:
    said = fitted.result.stderr
    for name, kind in KINDS.items():
        assert re.search(rf"^  {name}: {kind}; .*metric \w+", said, re.MULTILINE)
    assert "rows: train 210, validation 45, test 45" in said
    assert all(name in fitted.result.stdout for name in TARGETS)
    assert "against single-task models: better in" in fitted.result.stdout
    assert "against one plain network for all: better in" in fitted.result.stdout
    assert "report.html" in fitted.result.stdout
    assert "Warning" not in said


@pytest.mark.parametrize("width", [80, 140, 160])
def test_table_of_results_fits_the_terminal(fitted: Any, capsys: pytest.CaptureFixture[str], width: int) -> None:
    from polytask.cli.outcome import show_results
    from polytask.display.terminal import Terminal

    display = Terminal()
    display.results.width = width
    results = load(fitted.run / "results.json")
    results["tasks"] = {f"a_longer_name_{name}": entry for name, entry in results["tasks"].items()}
    results["baselines"] = {
        name: {f"a_longer_name_{task}": value for task, value in baseline.items()}
        for name, baseline in results["baselines"].items()
    }
    show_results(results, display, fitted.run)
    table = capsys.readouterr().out.split("\nOn ")[0].splitlines()
    assert max(map(len, table)) <= width
    for entry in results["tasks"].values():  # no figure is broken over two lines
        figures = [f"{entry['test']:.4f}", *([f"{entry['kept']:.1%}"] if width >= 160 else [])]
        assert any(all(figure in line for figure in figures) for line in table)


COMMANDS = ("demo", "fit", "affinity", "select", "predict", "evaluate", "report", "methods")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    result = polytask(command, "--help")
    assert result.exit_code == 0 and "Example" in result.stdout and f"polytask {command}" in result.stdout
    assert "Usage" in result.stdout and result.stderr == ""


def test_help_lists_all_commands() -> None:
    result = polytask("--help")
    assert result.exit_code == 0 and all(command in result.stdout for command in COMMANDS)


def test_methods_lists_each_and_explains_one() -> None:
    assert "dwa" in polytask("methods").stdout
    result = polytask("methods", "dwa")
    assert result.exit_code == 0 and "temperature" in result.stdout


def test_report_is_made_again(fitted: Any, run_copy: Path) -> None:
    (run_copy / "report.html").unlink()
    result = polytask("report", run_copy)
    assert result.exit_code == 0 and str(run_copy / "report.html") in result.stdout
    assert all(name in (run_copy / "report.html").read_text() for name in TARGETS)


def test_split_is_saved_with_the_row_ids(fitted: Any) -> None:
    split = pyarrow.parquet.read_table(fitted.run / "split.parquet").to_pydict()
    assert split["id"] == [row["key"] for row in table_rows()]
    assert Counter(split["split"]) == {"train": 210, "validation": 45, "test": 45}


def test_flat_names_are_accepted_with_one_note(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", table_rows(60))
    study = (
        "data: {table: table.csv, targets: [click]}\nsteps: 2\ntraining: {batch_size: 16}\nrun: {baselines: false}\n"
    )
    (tmp_path / "study.yaml").write_text(study)
    common = ("fit", tmp_path / "study.yaml", "--networks", 1)
    noted = polytask(*common, "--set", "seed=1", "--out", tmp_path / "run")
    assert noted.exit_code == 0, noted.output
    assert noted.stderr.count("write training.steps for steps, run.seed for seed; flat names") == 1
    (tmp_path / "study.yaml").write_text(study.replace("steps: 2\ntraining: {", "training: {steps: 2, "))
    assert "flat names" not in polytask(*common, "--set", "run.seed=1", "--out", tmp_path / "again").stderr
    same = [load(tmp_path / name / "results.json")["tasks"] for name in ("run", "again")]
    assert same[0] == same[1]
