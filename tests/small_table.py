"""A small table with everything in it, and the command line called in this process."""

from __future__ import annotations

import csv
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import typer.testing
from typer.testing import CliRunner

from polytask.cli import app

TARGETS = ("click", "size", "price", "rank")
COLUMNS = ("key", "a", "b", "c", "colour", "note", *TARGETS)
FAST = ("--set", "threads=1", "--set", "evaluate_every=4", "--steps", "40", "--batch-size", "32")
#: Of the default encoder.
SMALL = ("--set", "model.hidden=[24,8]")
Row = dict[str, Any]
#: Before click 8.2 a runner mixes the two streams unless it is told.
APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner.__init__).parameters else {}
# Otherwise every call would make all commands anew, which takes longer than to refuse a mistake.
typer.testing._get_command = cache(typer.testing._get_command)


def table_rows(rows: int = 300, seed: int = 0) -> list[Row]:
    """Rows with numbers, a category, a text, missing cells, and targets of all kinds with missing labels."""
    draw = np.random.default_rng(seed)
    colours, sizes = ("red", "green", "blue", "grey"), ("small", "medium", "large")
    made = []
    for number in range(rows):
        a, b, c = draw.normal(size=3).round(4)
        kind = int(draw.integers(4))
        row = {
            "key": f"r{number}",
            "a": a if draw.random() > 0.05 else "",
            "b": b,
            "c": c,
            "colour": colours[kind],
            "note": f"row {number} is a {'good' if number % 2 else 'bad'} thing, the words say so",
            "click": "yes" if a + 0.3 * draw.normal() > 0 else "no",
            "size": sizes[int(np.clip(b + 1.5, 0, 2.99))],
            "price": round(3 * c + kind + 9 * (number % 2) + 0.1 * draw.normal(), 3),
            "rank": int(np.clip(2 * a + kind, 0, 4)),
        }
        for target in ("click", "size", "price"):
            if draw.random() < 0.2:
                row[target] = ""
        made.append(row)
    return made


def write_table(path: Path, rows: Sequence[Row], columns: Sequence[str] | None = None) -> Path:
    """A CSV file; ``columns`` may be fewer than the rows have, and may repeat."""
    columns = list(rows[0]) if columns is None else list(columns)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows([[row[column] for column in columns] for row in rows])
    return path


def changed(change: Callable[[list[Row]], object], rows: int = 60) -> list[Row]:
    """The table's rows with a mistake made in them."""
    made = table_rows(rows)
    change(made)
    return made


@dataclass(frozen=True)
class Called:
    """How a command ended, and what it said."""

    exit_code: int
    exception: BaseException | None
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams."""
        return self.stdout + self.stderr


def polytask(*arguments: object) -> Called:
    """Call ``polytask`` in this process."""
    found = CliRunner(**APART).invoke(app, [str(argument) for argument in arguments])
    return Called(found.exit_code, found.exception, found.stdout, found.stderr)


def fit(data: Path, out: Path, *options: object, targets: Sequence[str] = TARGETS) -> Called:
    """``polytask fit`` with few steps, of a small network unless the options name another encoder."""
    small = () if any("encoder" in str(option) for option in options) else SMALL
    return polytask("fit", data, "--targets", ",".join(targets), "--id", "key", "--out", out, *FAST, *small, *options)


def assert_refused(result: Any, *parts: str, status: int = 2) -> None:
    """One clear message with all ``parts`` on standard error, nothing else, no traceback."""
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("error:") == 1
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in result.stderr, f"{part!r} not in {result.stderr!r}"
