"""How the affinities of a task came about over the training."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from markupsafe import Markup

from ..grouping import Windows
from ..records.run import TaskMatrix
from .svg import LARGEST, Frame, drawing, element, padded, path, points_of

MOST_PANELS = 24
"""Tasks up to which the histories are drawn."""
MOST_POINTS = 3000
"""Points of all lines together: of many tasks every line has few, so that the page opens quickly."""


def histories(affinity: TaskMatrix, partners: Mapping[str, Collection[str]]) -> list[tuple[str, Markup]]:
    """For every task a small plot: the effect of every other task's updates on it, window by window.

    Args:
        affinity: With its windows; without, or with more than 24 tasks, nothing is drawn.
        partners: For each task those that share the network that serves it; their lines stand out.
    """
    windows, tasks = affinity.windows, len(affinity.tasks)
    if windows is None or len(windows) < 2 or not 1 < tasks <= MOST_PANELS:
        return []
    windows = windows.joined(max(2, MOST_POINTS // (tasks * (tasks - 1))))
    middles = [(float(first) + float(end)) / 2 for first, end in windows.steps.tolist()]
    across = (0.0, max(float(windows.steps.max()), 1.0))
    return [
        (task, _history(affinity.tasks, windows, place, middles, across, partners.get(task, ())))
        for place, task in enumerate(affinity.tasks)
    ]


def _history(
    tasks: Sequence[str],
    windows: Windows,
    place: int,
    middles: list[float],
    across: tuple[float, float],
    partners: Collection[str],
) -> Markup:
    task = tasks[place]
    donors = [other for other in range(len(tasks)) if other != place]
    values = windows.means[:, donors, place]
    seen = (windows.counts[:, donors, place] > 0) & np.isfinite(values)
    values = values.clip(-LARGEST, LARGEST)
    frame = Frame(across, padded(values[seen].tolist()), left=54)
    axes = [*frame.axes("step", "effect on its loss (up: helps)")]
    zero = frame.at(across[0], 0.0)[1]
    if frame.y[0] < 0 < frame.y[1]:
        axes.append(element("line", x1=frame.left, x2=frame.width - frame.right, y1=zero, y2=zero, class_="axis"))
    lines = []
    for column, donor in enumerate(donors):
        name = tasks[donor]
        line = [(x, float(y)) for x, y, known in zip(middles, values[:, column], seen[:, column], strict=True) if known]
        if len(line) > 1:
            kind = "partner" if name in partners else "other"
            data = {"data_name": name, "data_points": points_of(line)}
            drawn = path([frame.at(*point) for point in line], f"line {kind}", **data)
            lines.append((name in partners, element("g", element("title", name), drawn)))
    groups = [group for _, group in sorted(lines, key=lambda line: line[0])]  # partners on top
    label = f"Affinity over the training, onto {task}"
    return drawing(frame.width, frame.height, label, *axes, *groups, class_="figure plot",
                   data_frame=frame.words(), data_across="step")  # fmt: skip
