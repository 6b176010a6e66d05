"""The results of a run as a table and a few plain sentences."""

from __future__ import annotations

import json as jsonlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..display.terminal import Terminal
from ..display.text import count, some_names
from ..display.titles import title_of

if TYPE_CHECKING:
    from ..reporting.earlier import Earlier
    from ..reporting.outcome import Row, Tally
    from ..task.gain import Gain

#: Targets up to which all are shown on the screen.
MOST_ROWS = 40
#: What our networks are compared with in separate columns; linear models are shown next to the constant.
HEADS = {"before": "before", "single_task": "single-\u200btask", "all_in_one": "plain network"}


def show_results(results: dict[str, Any], display: Terminal, out: Path, as_json: bool = False) -> None:
    """Print what ``results.json`` holds."""
    if as_json:
        print(jsonlib.dumps(results, indent=1, ensure_ascii=False))
        return
    from ..records.run import Run  # loads NumPy and templates, for which the start need not wait
    from ..reporting.earlier import earlier
    from ..reporting.headline import headline
    from ..reporting.outcome import rows, tallies
    from ..reporting.telling import telling_tasks

    run = Run(out, results=results)
    table, totals = rows(run), run.totals
    shown = set(telling_tasks(results, MOST_ROWS))
    lines = [line for row in table if row.task in shown for line in _lines(row, display)]
    display.table(measured_on(totals.get("folds")), _header(table[0], display.widest), lines, left=2)
    if len(shown) < len(table):
        display.result(
            f"{len(shown)} of {len(table):,} targets: those that kept the least of their peaks, and the worst and best "
            f"relative to the baselines; all are in {out / 'results.json'} and in the report"
        )
    if found := headline(run, table):
        display.result(found.sentence)
    show_before(earlier(run), table, display)
    for line in comparisons(table, tallies(table)):
        display.result(line)
    if unlearned := [row.task for row in table if not row.learned]:
        display.result(f"on validation not better than a constant, beyond chance: {some_names(unlearned)}")
    weights = {name: weight for name, entry in results["tasks"].items() if (weight := entry.get("weight")) is not None}
    if any(weight != 1 for weight in weights.values()):
        shown_weights = some_names([f"{name} {weight:.3g}" for name, weight in weights.items()])
        display.result(f"weights of the losses in the last step, yours included: {shown_weights}")
    served = {network: row.task for row in table for network in row.networks}
    trainings = totals.get("trainings") if display.widest and not totals.get("ensemble") else None
    if names := numbered(trainings or [], served):
        display.result(f"networks: {'; '.join(names)}")
    display.result(f"{_served(totals, table)}, {totals['parameters']:,} parameters; "
                   f"{totals['seconds']:.0f} s in all; one seed, so small differences may be chance")  # fmt: skip
    display.result(f"report: {out / 'report.html'}; next: polytask doctor {shlex.quote(str(out))}")


def numbered(trainings: Sequence[str], served: Mapping[int, str]) -> list[str]:
    """What the networks are that the table has by number, if there are several; not those that are called by it.

    Example:
        >>> numbered(["network_0", "all_in_one", "single_task_0", "single_task_1"], {2: "click", 3: "spend"})
        ['1 is the plain network', '2 and 3 are single-task models of click, spend']
        >>> numbered(["as_before_0", "as_before_1", "network_2"], {})
        ['0 and 1 are networks of the earlier run']
    """
    named = [(i, name) for i, name in enumerate(trainings) if name != f"network_{i}" and len(trainings) > 1]
    found = []
    for alike, group in groupby(named, key=lambda entry: entry[1].rpartition("_")[0]):
        entries = list(group)
        numbers = [number for number, _ in entries]
        if alike == "as_before":
            found.append(_range(numbers, "network", "of the earlier run"))
        elif alike == "single_task":
            found.append(_range(numbers, "single-task model", f"of {some_names([served[i] for i in numbers])}"))
        else:
            found += [f"{i} is the {title_of(name)}" for i, name in entries]
    return found


def _range(numbers: Sequence[int], what: str, whose: str) -> str:
    """What consecutive networks are."""
    if len(numbers) == 1:
        return f"{numbers[0]} is the {what} {whose}"
    return f"{numbers[0]} {'and' if len(numbers) == 2 else 'to'} {numbers[-1]} are {what}s {whose}"


def _served(totals: Mapping[str, Any], table: Sequence[Row]) -> str:
    """How many models predict, and what that costs."""
    if ensemble := totals.get("ensemble"):
        return f"the mean of {count(totals['networks'], 'model')}, {ensemble['milliseconds_per_row']:.2g} ms per row"
    several = any(len(row.networks) > 1 for row in table)
    served = f"{count(totals['networks'], 'network')}"
    if not several:
        return served
    return f"{served} (several for one target: their mean prediction; epoch and peak are those of the first)"


def measured_on(folds: int | None) -> str:
    """The rows that the table's metrics are of."""
    return f"all rows, each predicted out of fold, by networks of the other of {folds} folds" if folds else "test split"


def _header(row: Row, widest: bool) -> list[str]:
    """The heads of the columns of :func:`_lines`."""
    header = ["task", "metric", "constant", *(["linear"] if "linear" in row.others else []), "ours"]
    for name in _compared(row):
        header += [HEADS[name], "gain"] if widest else [HEADS[name]]
    return header + (["net\u00adwork", "con\u00adverged at epoch", "peak kept"] if widest else [])


def _compared(row: Row) -> list[str]:
    return [name for name in HEADS if name in row.others]


def _lines(row: Row, display: Terminal) -> Iterator[list[str]]:
    """The cells of one task, and of every metric after the first, which the baselines are not measured by."""
    linear = [row.others["linear"].test] if "linear" in row.others else []
    line = [row.task, f"{row.metric} {row.arrow}", *map(figure, [row.trivial, *linear])]
    line.append(figure(row.ours.test) + (plus_minus(row.interval) if display.wide else ""))
    for name in _compared(row):
        level, found = figure(row.others[name].test), row.gains[name]
        gained = "-" if found is None else _coloured(f"{found.difference:+.3f}", found)
        line += [level, gained] if display.widest else [_coloured(level, found)]
    if display.widest:
        converged = figure(row.converged_epoch, 1) if row.learned else "not learned"
        line += [", ".join(map(str, row.networks)), converged, share(row.kept_at_most_all)]
    yield line
    for further in row.further:
        cells = ["", further.name, figure(further.trivial), *("" for _ in linear)]
        cells.append(figure(further.value) + (plus_minus(further.interval) if display.wide else ""))
        yield cells + [""] * (len(line) - len(cells))


def show_before(tasks: Sequence[Earlier], table: Sequence[Row], display: Terminal) -> None:
    """Print how far the tasks of the earlier run are what they were, where there is one."""
    known = {row.task: row for row in table}
    lines = [
        [one.task, "held" if one.held else "learned again", figure(known[one.task].others["before"].test),
         figure(known[one.task].ours.test), share(one.agreement), figure(one.change)]
        for one in tasks
    ]  # fmt: skip
    if lines:
        header = ["earlier task", "now", "test before", "after", "predictions agree", "mean change"]
        display.table("tasks of the earlier run, on the test rows", header, lines, left=2)


def comparisons(table: Sequence[Row], tallied: Sequence[Tally]) -> Iterator[str]:
    """Better, equal and worse tasks against every baseline, and the mean relative gain."""
    for name, tally in zip(table[0].others, tallied, strict=True):
        if not tally.compared:
            yield f"against {tally.other}: not comparable"
            continue
        relative = left_out = ""
        if tally.mean_relative is not None:
            relative = f"; mean relative gain {tally.mean_relative:+.2%}"
            without = [row.task for row in table if (found := row.gains[name]) and found.relative is None]
            left_out = (
                f" (without {some_names(without)}: the baseline is hardly better than trivial)" if without else ""
            )
        yield (f"against {tally.other}: better in {tally.better} and worse in {tally.worse} of {tally.compared} tasks, "
               f"no difference beyond chance in {tally.equal}{relative}{left_out}")  # fmt: skip


def figure(value: float | None, digits: int = 4) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def plus_minus(interval: Sequence[float] | None) -> str:
    """Half of a 95 % interval."""
    return "" if interval is None else f" \u00b1{(interval[1] - interval[0]) / 2:.3f}"


def share(value: float | None) -> str:
    """A share in per cent."""
    return "-" if value is None else f"{value:.1%}"


def _coloured(text: str, found: Gain | None) -> str:
    """Green where ours is better, red where it is worse."""
    colour = {"better": "green", "worse": "red"}.get(found.verdict if found else "", "default")
    return f"[{colour}]{text}[/]"
