"""The results of a run as a table and a few plain sentences."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Any

from ..runs.results import relative_gain
from .display import Terminal

#: Relative differences below this are called equal.
EQUAL = 0.002


def show_results(results: dict[str, Any], display: Terminal, out: Path, as_json: bool = False) -> None:
    """Print what ``results.json`` holds."""
    if as_json:
        print(jsonlib.dumps(results, indent=1, ensure_ascii=False))
        return
    tasks, baselines = results["tasks"], results["baselines"]
    rows = []
    for name, entry in tasks.items():
        row = [name, entry["metric"] + (" \u2191" if entry["direction"] == "max" else " \u2193"), figure(entry["test"])]
        for baseline in ("single_task", "all_in_one"):
            if baseline in baselines:
                value = baselines[baseline][name]["test"]
                row += [figure(value), gain(entry["test"], value, entry["direction"])]
        rows.append([*row, str(entry["network"]), figure(entry["converged_epoch"], 1), share(entry["kept"])])
    header = ["task", "metric", "ours"]
    header += [text for baseline, title in (("single_task", "single-\u200btask"), ("all_in_one", "all-in-\u200bone"))
               if baseline in baselines for text in (title, "gain")]  # fmt: skip
    header += ["net\u00adwork", "con\u00adverged at epoch", "peak kept"]
    display.table("test split", header, rows, left=2)
    for baseline, title in (("single_task", "single-task models"), ("all_in_one", "one plain network for all")):
        if baseline in baselines:
            display.result(sentence(tasks, baselines[baseline], title))
    totals = results["totals"]
    display.result(f"{totals['networks']} network(s), {totals['parameters']:,} parameters; "
                   f"{totals['seconds']:.0f} s in all; one seed, so small differences may be chance")  # fmt: skip
    display.result(f"report: {out / 'report.html'}")


def sentence(tasks: dict[str, Any], baseline: dict[str, Any], title: str) -> str:
    """Better, equal and worse tasks against a baseline, and the mean relative gain."""
    gains = [relative_gain(e["test"], baseline[name]["test"], e["direction"]) for name, e in tasks.items()]
    known = [value for value in gains if value is not None]
    if not known:
        return f"against {title}: not comparable"
    better, worse = sum(g > EQUAL for g in known), sum(g < -EQUAL for g in known)
    mean = sum(known) / len(known)
    return (f"against {title}: better in {better}, equal in {len(known) - better - worse} (within {EQUAL:.1%}), "
            f"worse in {worse} of {len(known)} tasks; mean relative gain {mean:+.2%}")  # fmt: skip


def figure(value: float | None, digits: int = 4) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def share(value: float | None) -> str:
    """A share in per cent."""
    return "-" if value is None else f"{value:.1%}"


def gain(ours: float | None, baseline: float | None, direction: str) -> str:
    """Relative gain in per cent with its sign, coloured by its direction."""
    value = relative_gain(ours, baseline, direction)
    if value is None:
        return "-"
    colour = "green" if value > EQUAL else "red" if value < -EQUAL else "default"
    return f"[{colour}]{value:+.1%}[/]"
