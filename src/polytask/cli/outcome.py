"""The results of a run as a table and a few plain sentences."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..display.terminal import Terminal
from ..display.text import count, some_names
from ..task.gain import Gain, gain, mean_relative

#: Targets up to which all are shown on the screen.
MOST_ROWS = 40
#: What our networks are compared with: the column's head, and its name in a sentence.
TITLES = {
    "before": ("before", "the networks before"),
    "single_task": ("single-\u200btask", "single-task models"),
    "all_in_one": ("plain network", "one plain network for all"),
    "linear": ("linear", "linear models"),
}


def show_results(results: dict[str, Any], display: Terminal, out: Path, as_json: bool = False) -> None:
    """Print what ``results.json`` holds."""
    if as_json:
        print(jsonlib.dumps(results, indent=1, ensure_ascii=False))
        return
    from ..reporting.telling import telling_tasks

    tasks, baselines = results["tasks"], results["baselines"]
    trivial = results["totals"].get("trivial", {})
    levels = {"constant": trivial}
    if "linear" in baselines:
        levels["linear"] = {name: entry["test"] for name, entry in baselines["linear"].items()}
    shown_tasks = telling_tasks(results, MOST_ROWS)
    rows = []
    for name in shown_tasks:
        rows.append(_row(name, results, levels, display))
        rows += further_lines(tasks[name], list(levels), len(rows[-1]), display.wide)
    header = _header(levels, baselines, display.widest)
    display.table(measured_on(results["totals"].get("folds")), header, rows, left=2)
    if len(shown_tasks) < len(tasks):
        display.result(
            f"{len(shown_tasks)} of {len(tasks):,} targets: those that kept least of their peaks, the worst and best "
            f"against baselines; all are in {out / 'results.json'} and in the report"
        )
    if "before" in baselines:
        show_before(baselines["before"], tasks, display)
    for baseline, (_, title) in TITLES.items():
        if baseline in baselines:
            display.result(sentence(tasks, baselines[baseline], title, trivial))
    if unlearned := [name for name, entry in tasks.items() if not entry.get("learned", True)]:
        display.result(f"no better than a constant prediction beyond chance on validation: {some_names(unlearned)}")
    weights = {name: weight for name, entry in tasks.items() if (weight := entry.get("weight")) is not None}
    if any(weight != 1 for weight in weights.values()):
        shown_weights = some_names([f"{name} {weight:.3g}" for name, weight in weights.items()])
        display.result(f"weights of the losses in the last step, yours included: {shown_weights}")
    totals = results["totals"]
    display.result(f"{_served(totals, tasks)}, {totals['parameters']:,} parameters; "
                   f"{totals['seconds']:.0f} s in all; one seed, so small differences may be chance")  # fmt: skip
    display.result(f"report: {out / 'report.html'}")


def _served(totals: dict[str, Any], tasks: dict[str, Any]) -> str:
    """How many models predict, and what that costs."""
    if ensemble := totals.get("ensemble"):
        return f"the mean of {count(totals['networks'], 'model')}, {ensemble['milliseconds_per_row']:.2g} ms per row"
    return f"{count(totals['networks'], 'network')}{averaged(tasks)}"


def _compared(baselines: dict[str, Any]) -> list[str]:
    """The baselines with separate columns."""
    return [name for name in TITLES if name in baselines and name != "linear"]


def _header(levels: Iterable[str], baselines: dict[str, Any], widest: bool) -> list[str]:
    """The heads of the columns of :func:`_row`."""
    header = ["task", "metric", *levels, "ours"]
    for baseline in _compared(baselines):
        header += [TITLES[baseline][0], "gain"] if widest else [TITLES[baseline][0]]
    return header + (["net\u00adwork", "con\u00adverged at epoch", "peak kept"] if widest else [])


def _row(name: str, results: dict[str, Any], levels: dict[str, dict[str, Any]], display: Terminal) -> list[str]:
    """The cells of one task."""
    entry, baselines = results["tasks"][name], results["baselines"]
    row = [name, entry["metric"] + (" \u2191" if entry["direction"] == "max" else " \u2193")]
    ours = figure(entry["test"])
    known = [figure(level.get(name)) for level in levels.values()]
    row += [*known, ours + (plus_minus(entry.get("interval")) if display.wide else "")]
    for baseline in _compared(baselines):
        value = baselines[baseline].get(name)
        gain = None if value is None else against(entry, value, levels["constant"].get(name))
        level = figure(None if value is None else value["test"])
        row += [level, shown(gain)] if display.widest else [_coloured(level, gain)]
    if display.widest:
        row += [served_by(entry), converged(entry), share(_at_most_all(entry["kept"]))]
    return row


def measured_on(folds: int | None) -> str:
    """The rows that the table's metrics are of."""
    return f"all rows, each predicted by networks of the other of {folds} folds" if folds else "test split"


def further_lines(entry: dict[str, Any], levels: list[str], width: int, wide: bool) -> Iterator[list[str]]:
    """The cells of the table for every metric after the first, which the baselines are not measured by.

    Args:
        entry: Of a task.
        levels: Columns of levels to compare with.
        width: Columns of the table.
        wide: Whether there is room for intervals.
    """
    for name, value in entry.get("metrics", {}).items():
        if name != entry["metric"]:
            known = [figure(entry["trivials"][name]) if level == "constant" else "" for level in levels]
            line = ["", name, *known, figure(value) + (plus_minus(entry["intervals"][name]) if wide else "")]
            yield line + [""] * (width - len(line))


def show_before(before: dict[str, Any], tasks: dict[str, Any], display: Terminal) -> None:
    """Print how far the tasks of the earlier run are what they were."""
    rows = []
    for name, entry in before.items():
        how = "held" if entry["held"] else "learned again"
        metrics = [figure(entry["test"]), figure(tasks[name]["test"])]
        rows.append([name, how, *metrics, share(entry["agreement"]), figure(entry["change"])])
    header = ["earlier task", "now", "test before", "after", "predictions agree", "mean change"]
    display.table("tasks of the earlier run, on the test rows", header, rows, left=2)


def against(entry: dict[str, Any], baseline: dict[str, Any], trivial: float | None) -> Gain | None:
    """One task's test value against a baseline's."""
    return gain(entry["test"], baseline["test"], entry["direction"], trivial, baseline.get("gain_interval"))


def sentence(tasks: dict[str, Any], baseline: dict[str, Any], title: str, trivial: dict[str, float | None]) -> str:
    """Better, equal and worse tasks against a baseline, and the mean relative gain."""
    compared = {
        name: found
        for name, entry in tasks.items()
        if name in baseline and (found := against(entry, baseline[name], trivial.get(name))) is not None
    }
    gains = list(compared.values())
    if not gains:
        return f"against {title}: not comparable"
    better, equal, worse = (sum(g.verdict == verdict for g in gains) for verdict in ("better", "equal", "worse"))
    mean = mean_relative(gains)
    relative = "" if mean is None else f"; mean relative gain {mean:+.2%}"
    without = [] if mean is None else [name for name, found in compared.items() if found.relative is None]
    left_out = f" (without {some_names(without)}: the baseline is hardly better than trivial)" if without else ""
    return (f"against {title}: better in {better} and worse in {worse} of {len(gains)} tasks, no difference beyond "
            f"chance in {equal}{relative}{left_out}")  # fmt: skip


def figure(value: float | None, digits: int = 4) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def plus_minus(interval: list[float] | None) -> str:
    """Half of a 95 % interval."""
    return "" if interval is None else f" \u00b1{(interval[1] - interval[0]) / 2:.3f}"


def converged(entry: dict[str, Any]) -> str:
    """The epoch at which a task converged, or that it has not learned."""
    return figure(entry["converged_epoch"], 1) if entry.get("learned", True) else "not learned"


def served_by(entry: dict[str, Any]) -> str:
    """The numbers of the networks that serve a task."""
    return ", ".join(map(str, entry.get("networks", [entry["network"]])))


def averaged(tasks: dict[str, Any]) -> str:
    """Note that tasks are served by several networks."""
    several = any(len(entry.get("networks", ())) > 1 for entry in tasks.values())
    return " (of several for a task the mean prediction; epochs and peak are of the first)" if several else ""


def share(value: float | None) -> str:
    """A share in per cent."""
    return "-" if value is None else f"{value:.1%}"


def shown(found: Gain | None) -> str:
    """A gain in units of the metric with its sign, coloured by its verdict."""
    return "-" if found is None else _coloured(f"{found.difference:+.3f}", found)


def _coloured(text: str, found: Gain | None) -> str:
    """Green where ours is better, red where it is worse."""
    colour = {"better": "green", "worse": "red"}.get(found.verdict if found else "", "default")
    return f"[{colour}]{text}[/]"


def _at_most_all(kept: float | None) -> float | None:
    """Share of the peak; all of it where a value is better than the peak."""
    return None if kept is None else min(1.0, kept)
