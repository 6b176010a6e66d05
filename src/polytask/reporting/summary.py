"""Sentences in plain words, computed from the numbers: how ours compares, and how the networks were chosen."""

from __future__ import annotations

from collections.abc import Sequence

from ..display.text import count, listed
from ..records.run import Run
from ..records.values import number
from .networks import NetworkTasks
from .numbers import MINUS, duration, percent
from .outcome import Row, Tally, tallies

LONGEST_LIST = 160  # characters of task names that still read as a sentence


def compared(table: Sequence[Row], single: bool) -> list[str]:
    """How ours compares with everything that was trained beside it."""
    found = _against(table, single)
    return found or ["No baselines were trained, so there is nothing to compare these results with."]


def chosen_networks(run: Run, table: Sequence[Row], chosen: Sequence[NetworkTasks]) -> list[str]:
    """Which networks there are, why, and what it all took."""
    models = run.totals.get("trainings") if run.totals.get("ensemble") else None
    sentences = [_mean_of(models) if models else _together(chosen, len(table)), *_why(run)]
    seconds = number(run.totals.get("seconds"))
    if seconds is not None:
        what = "Everything, baselines included," if table and table[0].others else "Everything"
        sentences.append(f"{what} took {duration(seconds)}.")
    return sentences


def unfinished(run: Run) -> str:
    """How far a run is that is not finished."""
    trainings = list(run.log.trainings.values())
    if not trainings:
        return "The run is not finished, and no training has begun yet."
    last = trainings[-1]
    epoch = last.evaluations[-1].epoch if last.evaluations else 0.0
    done = sum(training.ended for training in trainings)
    return (
        f"The run is not finished: {count(done, 'training')} done, the latest ({last.name}) was last seen at epoch "
        f"{epoch:g}. The report shows what there is so far; test results come at the end."
    )


def _mean_of(models: Sequence[str]) -> str:
    """What an ensemble consists of."""
    families = [name for name in models if not name[-1].isdigit()]
    networks = count(len(models) - len(families), "network")
    return f"Predictions are the mean of {listed([networks, *families])}, one of each per task but for the networks."


def _together(chosen: Sequence[NetworkTasks], tasks: int) -> str:
    if tasks == 1:
        return f"The task was trained in {count(len(chosen), 'network')}."
    if len(chosen) == 1:
        return f"All {tasks} tasks share one network."
    shared = [network.served + network.helpers for network in chosen if len(network.served + network.helpers) > 1]
    alone = [network.served[0] for network in chosen if network.served and len(network.served + network.helpers) == 1]
    named = "; ".join(listed(group) + " together" for group in shared)
    named += ("; " if named and alone else "") + (f"{listed(alone)} alone" if alone else "")
    if len(named) > LONGEST_LIST:
        sizes = [str(len(network.served) + len(network.helpers)) for network in chosen]
        return f"The {tasks} tasks were trained in {len(chosen)} networks, of {listed(sizes)} tasks (drawn below)."
    return f"The {tasks} tasks were trained in {len(chosen)} networks: {named}."


def _why(run: Run) -> list[str]:
    """What the automatic choice compared, if it had to."""
    compared = run.selection.get("compared") or {}
    if sentence := compared.get("sentence"):
        return [f"{str(sentence)[:1].upper()}{str(sentence)[1:]}."]
    skills = compared.get("skill_on_validation") or {}
    grouped, together = number(skills.get("grouped")), number(skills.get("all_in_one"))
    if grouped is None or together is None:
        return []
    planned = len((run.selection.get("planned") or run.selection).get("networks") or [])
    figures = f"mean skill {grouped:.3f} against {together:.3f}"
    moved = compared.get("moved") or {}
    also = [f"{listed(list(moved))} moved to a network that was better on validation beyond chance."] if moved else []
    if compared.get("kept") == "grouped":
        return [f"On validation these networks were clearly better than one for all ({figures}).", *also]
    said = f"Affinity proposed {planned} networks; on validation they were not clearly better than one ({figures})."
    return [said, *also]


def _against(table: Sequence[Row], single: bool) -> list[str]:
    compared = tallies(table)
    if not compared:
        return []
    parts = [_tally(tally, len(table)) for tally in compared]
    ours, they = ("our network is", "It is") if single else ("our networks are", "They are")
    return [f"On test rows {ours} {parts[0]}.", *(f"{they} {part}." for part in parts[1:])]


def _tally(tally: Tally, tasks: int) -> str:
    if not tally.compared:
        return f"not comparable with {tally.other}: no task has a defined value in both"
    one = "task" if tally.compared == 1 else "tasks"
    of = f"{tally.compared} {one}" if tally.compared == tasks else f"the {tally.compared} comparable {one}"
    mean = ""
    if tally.mean_relative is not None:
        sign = "+" if tally.mean_relative >= 0 else MINUS
        over = f" over {tally.compared - tally.left_out} of them" if tally.left_out else ""
        mean = f" (mean relative difference{over} {sign}{percent(abs(tally.mean_relative))})"
    return (
        f"better than {tally.other} in {tally.better} of {of}, level in {tally.equal} and worse in {tally.worse}{mean}"
    )
