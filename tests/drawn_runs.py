"""Tiny runs of configurations that are drawn from the schema, on tables as they are, and what holds of each.

``python tests/drawn_runs.py --runs 1000 --log runs.jsonl`` is the nightly profile of ``test_fuzz_runs.py``. Run ``n``
is a function of ``n``: the same command goes on after the runs that are in the log, and ``--only 17`` does one again.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gzip
import itertools
import json
import os
import random
import shutil
import signal
import tempfile
import time
import types
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints
from unittest.mock import patch

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
import yaml

from killable import outcome
from polytask import UserError
from polytask.balancing import BALANCERS
from polytask.config import Config, make_config
from polytask.data import read_table
from polytask.grouping.strategies import GROUPINGS
from polytask.models.sharing import SHARING
from small_table import Called, polytask, table_rows, write_table
from spawned import fork_server

ROWS = 80
TARGETS = ("click", "size", "price")
#: A name with what terminals, pages and drawings might obey.
STRANGE = "a</td><b onload=x>\x1b[31m\x07 \u202e\U0001f600 & \"'"
#: What the schema says only as text or as a number; words, yes and no and sections are taken from the schema itself.
VALUES: dict[str, list[Any]] = {
    "grouping": sorted(GROUPINGS),
    "balance": sorted(BALANCERS),
    "sharing": list(SHARING),
    "distill": ["mtlkd", "okd", "scd"],
    "encoder": ["mlp", "resnet", "ft_transformer", "tabm"],
    "optimizer": ["adamw", "sgd"],
    "schedule": ["cosine", "linear"],
    "select_by": ["worst", "weighted", "task.size"],
    "networks": ["single_task", 1, 2],
    "max_size": [2],
    "max_cost": [2, 9],
    "together": [[["click", "price"]]],
    "apart": [[["click", "size"]]],
    "weights": [{"click": 3.0, "price": 0.01}],
    "losses": [{"price": {"squared": 1.0, "absolute": 0.5}}],
    "metric": [{"click": "accuracy", "price": "mae"}],
    "sample_weight": ["w", {"click": "w"}],
    "seed": [1, 2, 3],
    "batch_size": [7, 200],
    "gradient_clip": [1.0],
    "accumulate": [2],
    "warmup": [2],
    "weight_decay": [0.01],
    "learning_rate": [1e-5, 0.1],
    "patience": [1],
    "ema": [None, 0.5],
    "freeze": [["encoder"], [{"part": "encoder", "until": 0.5}]],
}
#: Keys of other data, or of things that are not there or too slow here; ``split`` belongs to the table.
ELSEWHERE = {"compile", "precision", "device", "report_to", "stream", "jobs"}


class Drawn(NamedTuple):
    """A run: what its table is like, the ending of the table's name, and what it is configured with."""

    table: str
    ending: str
    changes: dict[str, Any]


def values_of(annotation: Any, numbers: bool = False) -> list[Any]:
    """Some values that the schema allows for a key; none if it says only that it is text or a number."""
    origin = get_origin(annotation)
    if annotation is bool:
        return [False, True]
    if origin is Literal:
        return list(get_args(annotation))
    if origin in (Union, types.UnionType):
        return [value for part in get_args(annotation) for value in values_of(part, numbers)]
    if origin is Annotated:
        return values_of(get_args(annotation)[0], numbers)
    if numbers and annotation in (int, float):
        return [1, 2] if annotation is int else [0.5]
    if not dataclasses.is_dataclass(annotation) and not hasattr(annotation, "model_fields"):
        return []
    section = get_type_hints(annotation, include_extras=True)
    return [{name: value} for name, kind in section.items() for value in values_of(kind, numbers=True)]


KEYS = {
    name: found
    for name, field in Config.model_fields.items()
    if name not in ELSEWHERE and (found := VALUES.get(name) or values_of(field.annotation))
}


def _without(target: str, *parts: str) -> Callable[[list[dict[str, Any]]], None]:
    """A target has no label in some parts."""

    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row[target] = "" if row["part"] in parts else row[target]

    return change


def _each(target: str, value: object) -> Callable[[list[dict[str, Any]]], None]:
    """All rows have the same value."""

    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row[target] = value

    return change


def _sparse(rows: list[dict[str, Any]]) -> None:
    """One label in ten, and no row with two."""
    for number, row in enumerate(rows):
        row |= {target: "" for place, target in enumerate(TARGETS) if number % 3 != place}


def _strange(rows: list[dict[str, Any]]) -> None:
    """Names of a feature, of its values and of classes that are none of a programmer's."""
    for row in rows:
        row[STRANGE] = row.pop("a")
        row["colour"] = f"{row['colour']}</script>{STRANGE}"
        row["size"] = row["size"] and f"{row['size']} {STRANGE}"


#: What is done to the rows.
TABLES: dict[str, Callable[[list[dict[str, Any]]], None]] = {
    "plain": lambda rows: None,
    "click not in test": _without("click", "test"),
    "size not in validation": _without("size", "validation"),
    "price only in train": _without("price", "validation", "test"),
    "click not in train": _without("click", "train"),
    "price is constant": _each("price", 3.5),
    "size has one class": _each("size", "small"),
    "one label a row": _sparse,
    "strange names": _strange,
}
#: Tables that are refused for most of what is configured.
REFUSED = ("click not in train", "price is constant", "size has one class")


def draw(number: int) -> Drawn:
    """The run with a number: keys one after the other, but for those that the schema refuses beside the others."""
    chance = random.Random(number)
    tables = [name for name in TABLES if name not in REFUSED or chance.random() < 0.2]
    drawn = Drawn(chance.choice(tables), chance.choice(["csv", "csv", "csv.gz", "parquet"]), {})
    if drawn.ending == "parquet" and chance.random() < 0.5:
        drawn.changes["stream"] = True
    for name in chance.sample(sorted(KEYS), chance.randint(0, 6)):
        changed = drawn._replace(changes={**drawn.changes, name: chance.choice(KEYS[name])})
        with contextlib.suppress(UserError):
            make_config(configuration(changed, "table.csv"))
            drawn = changed
    return drawn


def configuration(drawn: Drawn, table: str) -> dict[str, Any]:
    """All keys of a run."""
    keys = drawn.changes
    fixed = {"data": table, "targets": list(TARGETS), "id": "key", "steps": 4, "batch_size": 16, "evaluate_every": 2,
             "threads": 1, "ignore": ["rank", "note"], "split": "part", "checkpoint_seconds": 0}  # fmt: skip
    model = {} if "encoder" in keys else {"model": {"hidden": [4]} | keys.get("model", {})}
    return {**fixed, **keys, **model}


def rows_of(drawn: Drawn) -> list[dict[str, Any]]:
    """The rows of a run's table: 40 of training, of which every second batch in order weighs nothing."""
    rows = table_rows(ROWS)
    for number, row in enumerate(rows):
        row["part"] = ("train", "train", "validation", "test")[number % 4]
        row["w"] = 0 if number % 32 < 16 else 1
    TABLES[drawn.table](rows)
    return rows


def write_run(drawn: Drawn, folder: Path) -> Path:
    """The table and the configuration of a run."""
    table = write_table(folder / "table.csv", rows_of(drawn))
    if drawn.ending == "parquet":
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(table), folder / "table.parquet", row_group_size=30)
    elif drawn.ending == "csv.gz":
        (folder / "table.csv.gz").write_bytes(gzip.compress(table.read_bytes()))
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(configuration(drawn, f"table.{drawn.ending}")), encoding="utf-8")
    return path


def try_run(drawn: Drawn, folder: Path, kill: bool, chance: random.Random) -> str:
    """Do a run and check it; gives ``finished`` or ``refused``.

    Raises:
        AssertionError: If something does not hold.
    """
    file = write_run(drawn, folder)
    answer = folder / "answer.json"
    status = apart(_whole, drawn, str(folder), str(answer))
    assert status == 0 and answer.exists(), f"the process ended with {status}"
    found = json.loads(answer.read_text())
    assert found["problem"] is None, found["problem"]
    if found["refused"] or not kill:
        return "refused" if found["refused"] else "finished"
    command = ("fit", str(file), "--out", str(folder / "killed"), "--resume", "--quiet")
    apart(_killed, command, chance.randint(1, found["calls"]))
    answer.unlink()
    assert apart(_called, command, str(answer)) == 0
    assert json.loads(answer.read_text()) == [0, ""], answer.read_text()
    resumed, expected = outcome(folder / "killed"), outcome(folder / "run")
    unequal = [name for name in sorted(resumed.keys() | expected.keys()) if resumed.get(name) != expected.get(name)]
    assert not unequal, f"killed and resumed, these are not equal: {unequal}"
    return "finished"


def apart(function: Callable[..., None], *arguments: Any) -> int | None:
    """The exit status of a function in a process of its own, forked from one that has paid the imports."""
    process = fork_server().Process(target=function, args=arguments)
    process.start()
    process.join(300)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None
    return process.exitcode


def _calls(at: Callable[[int], None]) -> Any:
    """Patches under which ``at`` is told the number of every step and every file that is completed."""
    from polytask import files
    from polytask.training.loop import Training

    count = [0]
    sync, step = files.sync, Training._one_step

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def outer(*args: Any, **kwargs: Any) -> Any:
            count[0] += 1
            at(count[0])
            return function(*args, **kwargs)

        return outer

    return patch.multiple(files, sync=counted(sync)), patch.object(Training, "_one_step", counted(step))


def _killed(command: tuple[str, ...], last: int) -> None:
    """Call the command, and be killed at a step or a file."""

    def at(number: int) -> None:
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)

    files, steps = _calls(at)
    with files, steps:
        polytask(*command)


def _called(command: tuple[str, ...], answer: str) -> None:
    """Call the command; exit status and what is wrong with how it ended."""
    called = polytask(*command)
    Path(answer).write_text(json.dumps([called.exit_code, "" if called.exit_code == 0 else _shown(called)]))


def _shown(called: Called) -> str:
    import traceback

    error = called.exception
    trace = "" if error is None or isinstance(error, SystemExit) else "".join(traceback.format_exception(error))
    return called.output[-1000:] + trace[-3000:]


def _whole(drawn: Drawn, folder: str, answer: str) -> None:
    """Do a run that is left alone, and look at what it gives."""
    place, calls = Path(folder), [0]

    def at(number: int) -> None:
        calls[0] = number

    files, steps = _calls(at)
    with files, steps:
        called = polytask("fit", place / "study.yaml", "--out", place / "run", "--quiet")
    refused = called.exit_code == 2 and "error: " in called.stderr and isinstance(called.exception, SystemExit)
    problem = None
    try:
        if refused:
            assert not (place / "run").exists(), f"refused after something was written: {called.output}"
        else:
            assert called.exit_code == 0, _shown(called)
            check_results(place, drawn)
    except AssertionError as error:
        problem = str(error)
    Path(answer).write_text(json.dumps({"refused": refused, "calls": calls[0], "problem": problem}))


def check_results(place: Path, drawn: Drawn) -> None:
    """Everything that has to hold whatever was configured."""
    run, rows = place / "run", rows_of(drawn)
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    backwards = write_table(place / "backwards.csv", rows[::-1])
    _succeeds("predict", run, backwards, "--out", place / "p.parquet")
    predicted = read_table(place / "p.parquet")
    assert predicted["key"].to_pylist() == [row["key"] for row in rows[::-1]], "rows are in another order"
    stored = run / "thresholds.json"
    moved = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {}
    for task in ("click", "size"):
        head = f"{task}_p_"
        classes = [name.removeprefix(head) for name in predicted.column_names if name.startswith(head)]
        assert classes == sorted(classes) and len(classes) > 1
        shares = np.stack([predicted[head + name].to_numpy() for name in classes], 1)
        assert np.abs(shares.sum(1) - 1).max() < 1e-5, f"{task}: probabilities do not sum to 1"
        chosen = shares[:, 1] >= moved[task]["threshold"] if task in moved else shares.argmax(1)
        assert predicted[task].to_pylist() == [classes[int(index)] for index in chosen], f"{task}: other labels"
    assert np.isfinite(predicted["price"].to_numpy()).all(), "price: predictions that are not finite"
    test = write_table(place / "test.csv", [row for row in rows if row["part"] == "test"])
    evaluated = json.loads(_succeeds("evaluate", run, test, "--json").stdout)["tasks"]
    for task, entry in evaluated.items():
        ours = results["tasks"][task]["test"]
        same = entry["value"] == ours if ours is None else entry["value"] == pytest.approx(ours, abs=1e-4)
        assert same, f"{task}: evaluate gives {entry['value']}, results.json {ours}"
    _succeeds("doctor", run)
    _succeeds("fit", place / "study.yaml", "--out", run, "--resume", "--quiet")
    check_page((run / "report.html").read_text(encoding="utf-8"))


def _succeeds(*command: object) -> Called:
    called = polytask(*command)
    assert called.exit_code == 0, f"{command[0]}: {_shown(called)}"
    return called


def check_page(page: str) -> None:
    """Names stay text: no element and no control character comes from them."""
    Closed().feed(page)
    assert "<b onload" not in page and "\x1b" not in page and "\x07" not in page, "report.html: a name is not escaped"


class Closed(HTMLParser):
    """Reads a page whose elements of drawings are closed in order."""

    OPEN = ("svg", "g", "text", "title", "table", "tr", "td", "th")

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in self.OPEN:
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.OPEN:
            opened = self.inside.pop() if self.inside else None
            assert opened == tag, f"report.html: </{tag}> closes {opened}"


def try_number(number: int, kill: bool = True) -> dict[str, Any]:
    """Run number ``number``: what it was, and how it ended."""
    drawn, started = draw(number), time.monotonic()
    folder = Path(tempfile.mkdtemp())
    try:
        ended, problem = try_run(drawn, folder, kill, random.Random(f"kill {number}")), None
    except AssertionError as error:
        ended, problem = "failed", str(error)
    shutil.rmtree(folder, ignore_errors=True)
    return {"number": number, "ended": ended, "problem": problem, "killed": kill and ended == "finished",
            "seconds": round(time.monotonic() - started, 2), **drawn._asdict()}  # fmt: skip


def known(log: Path) -> dict[int, dict[str, Any]]:
    """Runs that a log holds, but for those that failed, which are done again."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    last = {run["number"]: run for run in map(json.loads, lines)}
    return {number: run for number, run in last.items() if run["ended"] != "failed"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="finished runs, those of the log included")
    parser.add_argument("--log", type=Path, default=Path("runs.jsonl"))
    parser.add_argument("--only", type=int, nargs="*")
    parser.add_argument("--kill-every", type=int, default=1, help="every how many-th run is also killed and resumed")
    arguments = parser.parse_args()
    if arguments.only:
        for number in arguments.only:
            print(json.dumps(try_number(number), indent=1, ensure_ascii=False).replace("\\n", "\n"))
        return
    done = known(arguments.log)
    numbers = (number for number in itertools.count() if number not in done)
    while Counter(run["ended"] for run in done.values())["finished"] < arguments.runs:
        number = next(numbers)
        done[number] = found = try_number(number, number % arguments.kill_every == 0)
        with arguments.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        if found["problem"]:
            print(number, found["problem"][-300:], flush=True)
    ended = Counter(run["ended"] for run in done.values())
    print(f"{len(done)} runs: {dict(ended)}; {sum(run['killed'] for run in done.values())} of them killed and resumed; "
          f"{sum(run['seconds'] for run in done.values()):.0f} s")  # fmt: skip
    if ended["failed"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
