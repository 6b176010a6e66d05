"""``polytask fit --from`` with few steps, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from small_table import polytask

ADD = ("--steps", "40", "--no-baselines", "--set", "threads=1", "--set", "evaluate_every=4",
       "--set", "convergence.patience=2")  # fmt: skip


class Earlier(NamedTuple):
    """A finished run with one network, one with two, their table, and a later one without some of the targets."""

    one: Path
    two: Path
    old: Path
    later: Path


def add(run: Path, table: Path, targets: str, out: Path, *options: object, quiet: bool = True) -> Any:
    """Add targets to a run."""
    command = ("fit", table, "--from", run, "--targets", targets, "--out", out, *ADD, *(("--quiet",) if quiet else ()))
    return polytask(*command, *options)
