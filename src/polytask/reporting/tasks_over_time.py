"""What happened to every task in the history of a training: its weight, the length of its gradient, its conflicts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..records.events import TrainingRecord
from ..records.run import Run
from .curves import Line
from .svg import Frame, defined, drawing, element, nothing_drawn, padded, path, points_of, shortened

COLOURS, DASHES = 8, 5
"""Tasks are distinguished by as many colours times as many kinds of lines; the report has the names of all."""
LINE = 15.0
"""Height of a line of a legend."""
LARGE = 20.0
"""Positive values that differ by more than this factor are drawn in powers of ten."""

UNKNOWN = (
    "Gradient norms and conflicts are not known: nothing in this run computed gradients of single tasks. They are "
    "logged where affinity is measured, and by balancing methods with per-task gradients, such as upgrad."
)


ALONE = "Conflicts are not defined: no network that computed gradients of single tasks holds more than one task."


@dataclass(frozen=True)
class Chart:
    """One drawing with a line for every task."""

    key: str
    title: str
    drawing: Markup


def charts(run: Run, legend: bool = False) -> list[Chart]:
    """Weights, gradient norms and conflicts, as far as the log has them and they say anything."""
    if len(run.tasks) < 2:
        return []
    found = []
    weights = {task: _line(run.training_of(task), "weights", task) for task in run.tasks}
    norms, conflicts = (gradient_lines(run, key) for key in ("gradient_norms", "conflicts"))
    if not _constant(weights):
        found.append(Chart("weights", "Weight", task_lines(weights, "weight of the task's loss", None, legend)))
    if norms:
        found.append(Chart("gradient-norms", "Gradient norm", task_lines(norms, "norm of the gradient", None, legend)))
    if conflicts:
        found.append(
            Chart("conflicts", "Conflicts", task_lines(conflicts, "share of tasks in conflict", (0.0, 1.0), legend))
        )
    return found


def remarks(run: Run) -> list[str]:
    """What there is to say instead of a drawing."""
    if len(run.tasks) < 2:
        return []
    said = []
    weights = {task: _line(run.training_of(task), "weights", task) for task in run.tasks}
    if _constant(weights):
        values = {line[0][1] for line in weights.values() if line}
        if values:
            level = f"{values.pop():g} for every task" if len(values) == 1 else "those that were given"
            said.append(f"The weights of the tasks did not change: {level}.")
    if not gradient_lines(run, "gradient_norms"):
        said.append(UNKNOWN)
    elif not gradient_lines(run, "conflicts"):
        said.append(ALONE)
    return said


def gradient_lines(run: Run, key: str) -> dict[str, Line]:
    """Every task's line in the training of its network or, if that has none, of the network for all."""
    found: dict[str, Line] = {}
    for task in run.tasks:
        sources = (run.training_of(task), run.log.trainings.get("all_in_one"))
        line = next((line for source in sources if (line := _line(source, key, task))), None)
        if line:
            found[task] = line
    return found


def task_lines(
    lines: Mapping[str, Line], label: str, bounds: tuple[float, float] | None = None, legend: bool = False
) -> Markup:
    """One line for each task, in its colour and kind of line; names are in the titles and in the report's legend.

    Args:
        lines: ``(epoch, value)`` pairs by task; the order decides about the colours.
        label: What the values are.
        bounds: Ends of the vertical axis; by default what is needed.
        legend: Names below, for a drawing that leaves the report.
    """
    lines = {task: defined(line) for task, line in lines.items()}
    values = [value for line in lines.values() for _, value in line]
    words = f"{label[0].upper()}{label[1:]} over the epochs, one line for each of {len(lines)} tasks"
    if not values:
        return nothing_drawn(360, 220, words)
    log = bounds is None and min(values) > 0 and max(values) / min(values) > LARGE
    heights = [math.log10(value) for value in values] if log else values
    epochs = [epoch for line in lines.values() for epoch, _ in line]
    across = (min(0.0, *epochs), max([*epochs, 1e-3]) * 1.02)
    frame = Frame(across, bounds or padded(heights), width=360, height=220, left=48)
    axes = frame.axes("epoch", label + (" (power of ten)" if log else ""), whole_x=across[1] >= 2)
    drawn = [
        _task(frame, task, [(x, math.log10(y) if log else y) for x, y in line], line, look(place))
        for place, (task, line) in enumerate(lines.items())
    ]
    names = list(_legend(list(lines), frame)) if legend else []
    height = frame.height + (len(lines) + 1) // 2 * LINE + 4 if legend else frame.height
    return drawing(frame.width, height, words, *axes, *drawn, *names, class_="figure plot",
                   data_frame=frame.words(), data_log="1" if log else None)  # fmt: skip


def look(place: int) -> str:
    """Classes of the line of a task.

    Example:
        >>> look(0), look(9)
        ('c0', 'c1 d1')
    """
    dash = place // COLOURS % DASHES
    return f"c{place % COLOURS}" + (f" d{dash}" if dash else "")


def _task(frame: Frame, task: str, line: Line, true: Line, classes: str) -> Markup:
    places = [frame.at(*point) for point in line]
    marks = {"data_task": task, "data_name": task, "data_points": points_of(true)}
    if len(places) == 1:
        x, y = places[0]
        shape = element("circle", cx=x, cy=y, r=2.5, class_=f"line task {classes}", **marks)
    elif not places:
        return Markup("")
    else:
        shape = path(places, f"line task {classes}", **marks)
    return element("g", element("title", task), shape)


def _legend(tasks: Sequence[str], frame: Frame) -> Iterator[Markup]:
    """Two columns below the drawing."""
    for place, task in enumerate(tasks):
        x, y = 8 + place % 2 * frame.width / 2, frame.height + LINE * (place // 2 + 0.5)
        yield path([(x, y), (x + 26, y)], f"line task {look(place)}")
        yield element("text", shortened(task, 24), x=x + 32, y=y + 4, class_="name")


def _line(training: TrainingRecord | None, key: str, task: str) -> list[tuple[float, float]]:
    if training is None:
        return []
    pairs = ((point.epoch, getattr(point, key).get(task)) for point in training.evaluations)
    return defined(pairs)


def _constant(lines: Mapping[str, Sequence[tuple[float, float]]]) -> bool:
    return all(len({value for _, value in line}) < 2 for line in lines.values())
