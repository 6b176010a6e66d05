"""Differences of mean test skills, with intervals over the seeds of a set and over sets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy.stats import t as student

from polytask.comparison.statistics.paired import sign_flip_p

#: ``set``, ``seed``, perhaps ``steps``, and ``skill``: mean skill on test by method.
Line = dict[str, Any]


def read_lines(path: Path | None) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path and path.exists() else []


def key_of(line: Line) -> tuple[str, int, int | None]:
    return line["set"], line["seed"], line.get("steps")


def table(ours: str, pairs: Sequence[tuple[Line, Line]], columns: Mapping[str, tuple[str, str]]) -> None:
    """Print a line per set, and the mean over sets with an exact test.

    Args:
        ours: The method whose mean skill is shown.
        pairs: Lines to compare, of the same set and seed.
        columns: By title the method of the first line of a pair, and that of the second.
    """
    print(f"| set | seeds | {ours} | {' | '.join(columns)} |\n|---|---:|---:|" + "---:|" * len(columns))
    gains: dict[str, list[list[float]]] = {column: [] for column in columns}
    levels = []
    for name in dict.fromkeys(line["set"] for line, _ in pairs):
        own = [pair for pair in pairs if pair[0]["set"] == name]
        for column, (mine, theirs) in columns.items():
            gains[column].append([line["skill"][mine] - other["skill"][theirs] for line, other in own])
        levels.append(fmean(line["skill"][ours] for line, _ in own))
        cells = " | ".join(interval(found[-1]) for found in gains.values())
        print(f"| {name} | {len(own)} | {levels[-1]:.4f} | {cells} |")
    means = {column: [fmean(one) for one in found] for column, found in gains.items()}
    print(f"| mean of {len(levels)} sets | | {fmean(levels):.4f} | {' | '.join(map(interval, means.values()))} |")
    print(f"| p, all flips of signs | | | {' | '.join(f'{sign_flip_p(np.array(m)):.3f}' for m in means.values())} |")
    print(f"| sets better, worse beyond seeds | | | {' | '.join(_counted(found) for found in gains.values())} |")


def _counted(sets: Sequence[Sequence[float]]) -> str:
    if all(len(gains) < 2 for gains in sets):
        return "-"
    sure = [fmean(gains) for gains in sets if len(gains) > 1 and abs(fmean(gains)) > _width(gains)]
    return f"{sum(gain > 0 for gain in sure)}, {sum(gain < 0 for gain in sure)}"


def _width(gains: Sequence[float]) -> float:
    """Half of a 95 % interval (Student's t)."""
    return float(student.ppf(0.975, len(gains) - 1) * stdev(gains) / len(gains) ** 0.5)


def interval(gains: Sequence[float], digits: int = 4) -> str:
    """Mean difference with its 95 % interval."""
    return f"{fmean(gains):+.{digits}f}" + (f" ± {_width(gains):.{digits}f}" if len(gains) > 1 else "")
