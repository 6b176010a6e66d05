"""Runs in processes of their own that can be killed, and what has to be equal afterwards."""

from __future__ import annotations

import json
import os
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from polytask.cli import app
from small_table import TARGETS, table_rows, write_table
from spawned import fork_server


class Uninterrupted(NamedTuple):
    """The table, the options without ``--out``, and the outcome."""

    data: Path
    options: tuple[str, ...]
    outcome: dict[str, Any]


def small_fit(data: Path, steps: int) -> tuple[str, ...]:
    """A table at ``data``, and a command line for it that takes a checkpoint after every step; its tasks converge."""
    write_table(data, table_rows(200))
    settings = ("threads=1", f"steps={steps}", "evaluate_every=2", "checkpoint_seconds=0", "model.hidden=[16,8]",
                "convergence.test=fixed", f"convergence.fixed_step={steps // 2}",
                "convergence.min_evaluations=0")  # fmt: skip
    options = ["fit", str(data), "--targets", ",".join(TARGETS), "--id", "key", "--networks", "2", "--quiet"]
    return (*options, "--ignore", "note", *(part for setting in settings for part in ("--set", setting)))


def outcome(run: Path) -> dict[str, Any]:
    """Everything of a run that has to be equal: all but times."""
    results = json.loads((run / "results.json").read_text())
    del results["totals"]["seconds"], results["totals"]["seconds_by_phase"]
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for event in events:
        del event["time"]
        event.pop("seconds", None)
    found = {"results": results, "events": events}
    for name in ("affinity.json", "selection.json", "schema.json"):
        if (run / name).exists():
            found[name] = json.loads((run / name).read_text())
    for path in sorted(run.glob("networks/*/*")):
        found[str(path.relative_to(run))] = path.read_bytes()
    assert not (run / "trainings").exists() and not list(run.rglob("*.tmp"))
    return found


def assert_same(run: Path, expected: dict[str, Any]) -> None:
    found = outcome(run)
    assert found["results"] == expected["results"]
    assert [event for event in found["events"] if event["event"] == "evaluation"] == [
        event for event in expected["events"] if event["event"] == "evaluation"
    ]
    assert found == expected


def _call(arguments: tuple[str, ...]) -> None:
    app(list(arguments))


def start(*arguments: object) -> BaseProcess:
    """``polytask`` in a process of its own (forked from one that has imported the program already)."""
    process = fork_server().Process(target=_call, args=(tuple(map(str, arguments)),))
    process.start()
    return process


def finish(*arguments: object) -> int | None:
    """The exit status of ``polytask`` in a process of its own."""
    process = start(*arguments)
    process.join(240)
    return process.exitcode


def dying(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What a process does that is killed at once."""
    os._exit(9)
