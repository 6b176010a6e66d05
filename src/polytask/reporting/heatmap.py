"""Which task helps which: affinity as a coloured matrix, in the order of the chosen groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from markupsafe import Markup

from ..records.run import TaskMatrix
from ..records.values import number
from .numbers import short, signed
from .svg import drawing, element, nothing_drawn, shortened, width_of

Notes = Callable[[int, int], str]

NUMBERS_UP_TO = 12
"""Tasks up to which the cells hold numbers."""
LETTER = 7.4
"""Width of an average letter of the labels."""
LONGEST_LABEL = 24
DARK_FROM = 0.8
"""Share from which white numbers are easier to read than dark ones."""


def heatmap(
    affinity: TaskMatrix, groups: Sequence[Sequence[str]], similarity: bool = False, notes: Notes | None = None
) -> Markup:
    """Rows: the task that is updated; columns: the task whose loss changes; or similarities, shown as they are.

    Every column is divided by its largest value off the diagonal: recipients differ by orders of magnitude, and
    only the differences within a column decide anything. ``notes(i, j)`` is added to the tooltip of a cell.
    """
    affinity = replace(affinity, values=[[number(value) for value in row] for row in affinity.values])
    order = [affinity.tasks.index(task) for group in groups for task in group]
    if not order:
        return nothing_drawn(200, 100, "Affinity between no tasks")
    names = [shortened(affinity.tasks[index], LONGEST_LABEL) for index in order]
    size = 46.0 if len(order) <= NUMBERS_UP_TO else 24.0 if len(order) <= 24 else 18.0
    margin = LETTER * max(width_of(name) for name in names) + 12
    left, top = margin, 0.72 * margin + 16
    side = size * len(order)
    parts = [
        *_labels(names, affinity, order, size, left, top),
        *_cells(affinity, order, size, left, top, similarity, notes),
        *_boundaries([len(group) for group in groups], size, left, top),
    ]
    label = f"{'Similarity' if similarity else 'Affinity'} between {len(order)} tasks"
    return drawing(left + side + max(0.72 * margin, 20), top + side + 6, label, *parts, class_="figure wide",
                   data_columns=len(order))  # fmt: skip


def scaled(affinity: TaskMatrix) -> list[list[float | None]]:
    """Every column divided by its largest absolute value off the diagonal; None on the diagonal and where undefined."""
    count = range(len(affinity.tasks))
    largest = [max((abs(affinity.values[i][j] or 0.0) for i in count if i != j), default=0.0) for j in count]
    return [[_share(affinity.values[i][j], largest[j]) if i != j else None for j in count] for i in count]


def _share(value: float | None, largest: float) -> float | None:
    if value is None:
        return None
    return value / largest if largest else 0.0


def _labels(
    names: list[str], affinity: TaskMatrix, order: list[int], size: float, left: float, top: float
) -> Iterator[Markup]:
    for place, (name, index) in enumerate(zip(names, order, strict=True)):
        middle = (place + 0.5) * size
        full = element("title", affinity.tasks[index])
        yield element("text", name, full, x=left - 6, y=top + middle + 4, text_anchor="end", class_="name")
        x, y = left + middle + 3, top - 6
        yield element("text", name, full, x=x, y=y, transform=f"rotate(-45 {x:.1f} {y:.1f})", class_="name")


def _cells(
    affinity: TaskMatrix,
    order: list[int],
    size: float,
    left: float,
    top: float,
    similarity: bool,
    notes: Notes | None,
) -> Iterator[Markup]:
    shares = [list(row) for row in affinity.values] if similarity else scaled(affinity)
    numbers = len(order) <= NUMBERS_UP_TO
    for row, i in enumerate(order):
        for column, j in enumerate(order):
            x, y = left + column * size, top + row * size
            if similarity:
                tooltip = f"{affinity.tasks[i]} and {affinity.tasks[j]}: {_shown(affinity.values[i][j])}"
            else:
                tooltip = _tooltip(affinity, i, j) + (notes(i, j) if notes is not None and i != j else "")
            yield _cell(shares[i][j], tooltip, x, y, size, same=i == j)
            share = shares[i][j]
            if numbers and share is not None:
                dark = " on-dark" if abs(share) > DARK_FROM else ""
                text = signed(share, 2)
                yield element("text", text, x=x + size / 2, y=y + size / 2 + 4, class_=f"cell{dark}")


def _cell(share: float | None, tooltip: str, x: float, y: float, size: float, same: bool) -> Markup:
    title = element("title", tooltip)
    where = {"x": x + 0.5, "y": y + 0.5, "width": size - 1, "height": size - 1}
    if share is None:
        return element("rect", title, **where, class_="same" if same else "undefined")
    return element("rect", title, **where, class_="helps" if share >= 0 else "hurts", fill_opacity=abs(share))


def _tooltip(affinity: TaskMatrix, i: int, j: int) -> str:
    value = affinity.values[i][j]
    if i == j:
        return f"{affinity.tasks[i]} on itself: not compared"
    return f"an update on {affinity.tasks[i]} → loss of {affinity.tasks[j]}: {_shown(value)}"


def _shown(value: float | None) -> str:
    return "undefined" if value is None else short(value)


def _boundaries(sizes: list[int], size: float, left: float, top: float) -> Iterator[Markup]:
    if len(sizes) < 2:
        return
    ends = list(accumulate(sizes))
    side = ends[-1] * size
    for end in ends[:-1]:
        x, y = left + end * size, top + end * size
        yield element("line", x1=x, x2=x, y1=top, y2=top + side, class_="between")
        yield element("line", x1=left, x2=left + side, y1=y, y2=y, class_="between")
    for start, end in zip([0, *ends], ends, strict=False):
        x, y, block = left + start * size, top + start * size, (end - start) * size
        yield element("rect", x=x, y=y, width=block, height=block, class_="group")
