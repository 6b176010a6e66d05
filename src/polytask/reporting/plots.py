"""Plots of a run's ``plots.json``, drawn: charts with axes, and matrices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from ..errors import UserError
from ..records.run import Run
from ..task.plots import Curve, Graph, Matrix, plot_of_dict
from .heatmap import DARK_FROM, LETTER, LONGEST_LABEL
from .numbers import shown
from .svg import Frame, defined, drawing, element, nothing_drawn, padded, path, points_of, shortened, width_of

#: Columns of a matrix up to which its cells hold numbers.
NUMBERS_UP_TO = 12


def plots_of(run: Run) -> tuple[dict[str, list[Graph | Matrix]], list[Graph | Matrix]]:
    """The plots of every target, and those of all together; empty where there are none.

    Raises:
        UserError: If ``plots.json`` is damaged.
    """
    try:
        tasks: Mapping[str, Any] = run.plots.get("tasks") or {}
        by_task = {str(name): [plot_of_dict(one) for one in plots] for name, plots in tasks.items()}
        return by_task, [plot_of_dict(one) for one in run.plots.get("all") or ()]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{run.folder / 'plots.json'}: damaged ({error!r}); remove the file, and the report has no "
                        "plots of predictions") from None  # fmt: skip


def draw(plot: Graph | Matrix) -> Markup:
    """A plot as SVG."""
    return chart(plot) if isinstance(plot, Graph) else matrix(plot)


def chart(plot: Graph) -> Markup:
    """Lines and points on two axes."""
    ends = [point for line in plot.lines for point in defined(line.points)]
    if not ends:
        return nothing_drawn(Frame.width, Frame.height, plot.title)
    spans = [(x, y) for line in plot.lines for (x, _), span in zip(line.points, line.spans, strict=False) for y in span]
    ends += defined(spans)
    across, up = (
        ((0.0, 1.0), (0.0, 1.0)) if plot.whole else (padded([x for x, _ in ends]), padded([y for _, y in ends]))
    )
    frame = Frame(across, up, height=Frame.height + 24)
    parts = [part for line in plot.lines for part in _line(frame, line)]
    inside = [*frame.axes(shortened(plot.x, 34), shortened(plot.y, 34)), *parts]
    return drawing(frame.width, frame.height, f"{plot.title}: {plot.y} by {plot.x}", *inside, class_="figure plot",
                   data_frame=frame.words(), data_across=plot.x)  # fmt: skip


def _line(frame: Frame, line: Curve) -> Iterator[Markup]:
    points = defined(line.points)
    places = [frame.at(*point) for point in points]
    for point, span in zip(line.points, line.spans, strict=False):
        for low, high in [[(point[0], value) for value in span]] if len(defined([(0.0, y) for y in span])) == 2 else []:
            yield path([frame.at(*low), frame.at(*high)], "whisker")
    if line.role == "points":
        yield from (element("circle", cx=x, cy=y, r=1.8, class_="row") for x, y in places)
    elif line.role == "mark":
        yield from (
            element("circle", element("title", line.name), cx=x, cy=y, r=4.5, class_="returned") for x, y in places
        )
    elif line.role == "reference":
        yield path(places, "reference") if places else Markup()
    elif places:
        yield path(places, "line ours", data_name=line.name, data_points=points_of(points))
        if line.spans or len(places) == 1:
            yield from (element("circle", cx=x, cy=y, r=2.6, class_="returned") for x, y in places)


def matrix(plot: Matrix) -> Markup:
    """Shaded cells with names of rows and columns."""
    if not plot.rows or not plot.columns:
        return nothing_drawn(200, 100, plot.title)
    rows, columns = ([shortened(name, LONGEST_LABEL) for name in names] for names in (plot.rows, plot.columns))
    size = 46.0 if len(columns) <= NUMBERS_UP_TO else 22.0
    high = 26.0 if len(rows) > NUMBERS_UP_TO or len(columns) > NUMBERS_UP_TO else 34.0
    left = LETTER * max(map(width_of, rows)) + 12
    label = LETTER * max(map(width_of, columns)) + 12
    top = 0.72 * label + 16
    parts = [*_names(plot.rows, rows, plot.columns, columns, size, high, left, top),
             *_cells(plot, size, high, left, top)]  # fmt: skip
    wide, tall = left + size * len(columns) + max(0.72 * label, 20), top + high * len(rows) + 6
    return drawing(wide, tall, plot.title, *parts, class_="figure wide", data_columns=len(columns))


def _names(
    rows: Sequence[str], short_rows: Sequence[str], columns: Sequence[str], short_columns: Sequence[str],
    size: float, high: float, left: float, top: float,
) -> Iterator[Markup]:  # fmt: skip
    for place, (name, full) in enumerate(zip(short_rows, rows, strict=True)):
        y = top + (place + 0.5) * high + 4
        yield element("text", name, element("title", full), x=left - 6, y=y, text_anchor="end", class_="name")
    for place, (name, full) in enumerate(zip(short_columns, columns, strict=True)):
        x, y = left + (place + 0.5) * size + 3, top - 6
        turned = f"rotate(-45 {x:.1f} {y:.1f})"
        yield element("text", name, element("title", full), x=x, y=y, transform=turned, class_="name")


def _cells(plot: Matrix, size: float, high: float, left: float, top: float) -> Iterator[Markup]:
    shades = plot.shades or plot.values
    numbers = len(plot.columns) <= NUMBERS_UP_TO
    for i, row in enumerate(plot.rows):
        for j, column in enumerate(plot.columns):
            value, shade = plot.values[i][j], shades[i][j]
            x, y = left + j * size, top + i * high
            said = (
                f"{plot.down} {row}, {plot.across} {column}: {'undefined' if value is None else _shown(value)}".strip()
            )
            where = {"x": x + 0.5, "y": y + 0.5, "width": size - 1, "height": high - 1}
            strength = 0.0 if shade is None else min(1.0, abs(shade))
            look = "undefined" if value is None else "helps" if (shade or 0.0) >= 0 else "hurts"
            opacity = None if value is None else round(strength, 3)
            yield element("rect", element("title", said), **where, class_=look, fill_opacity=opacity)
            if numbers and value is not None:
                dark = " on-dark" if strength > DARK_FROM else ""
                yield element("text", _shown(value), x=x + size / 2, y=y + high / 2 + 4, class_=f"cell{dark}")


def _shown(value: float) -> str:
    """Counts as they are, other numbers with two decimals."""
    return shown(value, 0 if value == round(value) else 2)
