"""Tables over sets, and the map of the spread of peaks against what convergence gains."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

import numpy as np
from scipy.stats import spearmanr

from polytask.comparison.statistics.paired import sign_flip_p
from polytask.reporting.svg import Frame, drawing, element, padded
from sets_and_seeds import interval

from .methods import METHODS
from .runs import Run, Runs
from .sets import APART, SETS

#: A task whose best validation skill in plain training is lower than this has no peak worth a name.
LEARNED = 0.05
PLAIN = tuple(name for name, method in METHODS.items() if not method.converge)
GROUPS = {
    "expected apart": set(APART), "expected together": set(SETS) - set(APART), "all": set(SETS),
}  # fmt: skip
Value = Callable[[Run], float]
STYLE = """text { font: 11px sans-serif; fill: #333 } .label, .title { font-weight: bold } .grid { stroke: #e4e4e4 }
.axis { stroke: #888 } .paper { fill: #fff } .apart { fill: #d9480f } .together { fill: #3b5bdb }"""


def skill(run: Run) -> float:
    return fmean(run["skill"].values())


def own(run: Run) -> float:
    """One checkpoint per task."""
    return fmean(run["own"]["skill"].values())


def by_metric(run: Run) -> float:
    """The checkpoint with the best mean of the metrics."""
    return fmean(run["by_metric"]["skill"].values())


#: Title → method and value, less method and value.
AGAINST_EQUAL = {
    "uw": ("uw", skill),
    "gradnorm": ("gradnorm", skill),
    "joint": ("joint", skill),
    "joint, beyond one error": ("joint_errors", skill),
    "joint, three teachers": ("joint_3", skill),
    "sequential": ("sequential", skill),
    "checkpoint by mean metric": ("equal", by_metric),
    "one checkpoint per task": ("equal", own),
}


def spread(run: Run) -> float:
    """Range of the evaluations at which learned tasks peak in a plain run, the outer tenths cut off, of its length."""
    at = [position for position, level in run["peaks"].values() if level > LEARNED]
    low, high = np.quantile(at, [0.1, 0.9]) if at else (0.0, 0.0)
    return float(high - low)


def report(runs: Runs) -> str:
    names = [name for name in (*APART, *(name for name in SETS if name not in APART)) if runs.of(name, "equal")]
    pairs = [_pair(runs, names, "uw", "joint_uw"), _pair(runs, names, "joint_errors", "joint")]
    parts = [_against_equal(runs, names), *pairs, _against_best(runs, names), _map(runs, names)]
    return "\n\n".join(part for part in parts if part)


def differences(runs: Runs, name: str, method: str, value: Value, base: str) -> list[float]:
    """By seed, where both are there."""
    ours, theirs = runs.of(name, method), runs.of(name, base)
    return [value(ours[seed]) - skill(theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]


def _table(head: list[str], lines: dict[str, tuple[list[str], list[list[float]]]]) -> str:
    """A line per set, and means over the sets of each group with p of all flips of signs."""
    first = next(iter(lines.values()))
    shown = [f"| set | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for name, (cells, gains) in lines.items():
        shown.append(f"| {name} | {' | '.join([*cells, *(interval(one) if one else '' for one in gains)])} |")
    empty = [""] * len(first[0])
    for title, group in GROUPS.items():
        cells = []
        for place in range(len(first[1])):
            means = [fmean(gains[place]) for name, (_, gains) in lines.items() if name in group and gains[place]]
            p = f", p {sign_flip_p(np.array(means)):.3f}" if len(means) > 1 else ""
            cells.append(f"{interval(means)}{p} ({len(means)})" if means else "")
        shown.append(f"| {title} | {' | '.join([*empty, *cells])} |")
    return "\n".join(shown)


def _against_equal(runs: Runs, names: list[str]) -> str:
    lines = {}
    for name in names:
        plain = runs.of(name, "equal")
        cells = [str(len(next(iter(plain.values()))["skill"])), str(len(plain)),
                 f"{fmean(map(spread, plain.values())):.2f}", f"{fmean(map(skill, plain.values())):.4f}"]  # fmt: skip
        gains = [differences(runs, name, method, value, "equal") for method, value in AGAINST_EQUAL.values()]
        lines[name] = cells, gains
    return _table(["tasks", "seeds", "spread of peaks", "equal weights", *AGAINST_EQUAL], lines)


def _pair(runs: Runs, names: list[str], base: str, method: str) -> str:
    """A method less another."""
    lines = {
        name: ([f"{fmean(map(skill, theirs.values())):.4f}"], [differences(runs, name, method, skill, base)])
        for name in names
        if (theirs := runs.of(name, base)) and runs.of(name, method)
    }
    return _table([base, f"{method} - {base}"], lines) if lines else ""


def best_plain(runs: Runs, name: str) -> str:
    """The plain method with the best mean skill on validation."""
    levels = {method: [run["level"] for run in runs.of(name, method).values()] for method in PLAIN}
    return max((method for method in PLAIN if levels[method]), key=lambda method: fmean(levels[method]))


def _against_best(runs: Runs, names: list[str]) -> str:
    """Convergence with the weighting that validation chooses, against that weighting; relative, in metrics."""
    shown = ["| set | best plain method on validation | its mean metric | joint convergence less that | in % |",
             "|---|---|---:|---:|---:|"]  # fmt: skip
    relative: dict[str, float] = {}
    for name in names:
        base = best_plain(runs, name)
        ours, theirs = runs.of(name, "joint_uw" if base == "uw" else "joint"), runs.of(name, base)
        seeds = sorted(ours.keys() & theirs.keys())
        if not seeds:
            continue
        levels = {seed: fmean(theirs[seed]["test"].values()) for seed in seeds}
        gains = [fmean(ours[seed]["test"].values()) - levels[seed] for seed in seeds]
        level = fmean(levels.values())
        relative[name] = 100 * fmean(gains) / level
        shown.append(f"| {name} | {base} | {level:.4f} | {interval(gains)} | {relative[name]:+.2f} |")
    for title, group in list(GROUPS.items())[:2]:
        means = [value for name, value in relative.items() if name in group]
        if means:
            shown.append(f"| {title} | | | | {interval(means, 2)}, p {sign_flip_p(np.array(means)):.3f} |")
    return "\n".join(shown)


def points(runs: Runs, names: list[str]) -> dict[str, tuple[float, float]]:
    """By set the spread of peaks of plain runs and what joint convergence gains."""
    found = {}
    for name in names:
        gains = differences(runs, name, "joint", skill, "equal")
        if gains:
            found[name] = fmean(map(spread, runs.of(name, "equal").values())), fmean(gains)
    return found


def _map(runs: Runs, names: list[str]) -> str:
    """Rank correlations over sets, and over runs within sets."""
    found = points(runs, names)
    if len(found) < 3:
        return ""
    spreads, gains = zip(*found.values(), strict=True)
    rooms = [fmean(differences(runs, name, "equal", own, "equal")) for name in found]
    kept = [fmean(run["kept"] for run in runs.of(name, "equal").values()) for name in found]
    lines = [f"Rank correlation over {len(found)} sets with what joint convergence gains:"]
    for title, values in (("spread of peaks", spreads), ("one checkpoint per task, on validation", kept),
                          ("one checkpoint per task, on test", rooms)):  # fmt: skip
        test = spearmanr(values, gains)
        lines.append(f"- {title}: {test.statistic:+.2f} (p {test.pvalue:.3f})")
    return "\n".join(lines)


def draw(runs: Runs) -> str:
    """The map as SVG."""
    names = [name for name in SETS if runs.of(name, "equal")]
    found = points(runs, names)
    frame = Frame((0.0, 1.0), padded([*(gain for _, gain in found.values()), 0.0]), width=560, height=320, right=80)
    marks = list(frame.axes("spread of peaks in plain training", "skill gained by joint convergence"))
    for name, (x, y) in found.items():
        across, up = frame.at(x, y)
        marks.append(element("circle", cx=across, cy=up, r=4, class_="apart" if name in APART else "together"))
        marks.append(element("text", name, x=across + 6, y=up + 4))
    paper = element("rect", width=frame.width, height=frame.height, class_="paper")
    label = "Spread of peaks against the gain of joint convergence, by set; red: expected to peak far apart"
    return str(
        drawing(
            frame.width, frame.height, label, element("style", STYLE), paper, *marks, xmlns="http://www.w3.org/2000/svg"
        )
    )
