"""Validation curve of one task: ours in its network, and the baselines behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from markupsafe import Markup

from ..records.values import number
from ..task.gain import arrow, sign
from .outcome import BASELINES
from .svg import Frame, defined, drawing, element, nothing_drawn, padded, path, points_of

Line = Sequence[tuple[float, float]]

SPREAD = 8.0
"""A first value may lie this many times farther from the best than the middle one does, before it leaves the frame."""


@dataclass(frozen=True)
class Panel:
    """What one small plot shows. Lines are ``(epoch, value)`` pairs."""

    task: str
    metric: str
    direction: str
    ours: Line
    baselines: Mapping[str, Line] = field(default_factory=dict)
    switch: float | None = None
    peak: float | None = None
    returned: float | None = None
    phases: Sequence[tuple[float, str]] = ()


def curve(panel: Panel) -> Markup:
    """One validation curve with its marks: switch, peak and the returned checkpoint."""
    panel = _defined(panel)
    drawn = [*panel.ours, *(point for line in panel.baselines.values() for point in line)]
    label = f"Validation curve of {panel.task}"
    if not drawn:
        return nothing_drawn(Frame.width, Frame.height, label)
    frame = Frame(_across(drawn), _up(panel, drawn))
    axes = frame.axes(
        "epoch", f"{panel.metric or 'validation metric'} {arrow(panel.direction)}".rstrip(), whole_x=frame.x[1] >= 2
    )
    lines = _clipped(frame, list(_lines(frame, panel)))
    inside = [*axes, lines, *_marks(frame, panel)]
    return drawing(frame.width, frame.height, label, *inside, class_="figure plot", data_frame=frame.words())


def _defined(panel: Panel) -> Panel:
    """The panel with finite numbers alone."""
    marks = {name: number(getattr(panel, name)) for name in ("switch", "peak", "returned")}
    if marks["peak"] is not None:
        marks["peak"] = defined([(0.0, marks["peak"])])[0][1]
    return replace(
        panel,
        ours=defined(panel.ours),
        baselines={name: defined(line) for name, line in panel.baselines.items()},
        phases=[phase for phase in panel.phases if number(phase[0]) is not None],
        **marks,  # type: ignore[arg-type]
    )


def _across(drawn: Line) -> tuple[float, float]:
    epochs = [epoch for epoch, _ in drawn]
    return min(0.0, *epochs), max([*epochs, 1e-3]) * 1.02


def _up(panel: Panel, drawn: Line) -> tuple[float, float]:
    """Range of the vertical axis: the first steps of a training may be so bad that they would flatten all the rest."""
    values = [value for _, value in drawn] + ([] if panel.peak is None else [panel.peak])
    better = sign(panel.direction)
    scores = [better * value for value in values]
    best, typical = max(scores), median(scores)
    marked = [_near(panel.ours, epoch) for epoch in (panel.switch, panel.returned) if epoch is not None and panel.ours]
    worst = min(better * value for value in [*(value for _, value in marked), better * best])
    limit = min(best - SPREAD * (best - typical), worst) if best > typical else min(scores)
    return padded([better * max(score, limit) for score in scores])


def _lines(frame: Frame, panel: Panel) -> Iterator[Markup]:
    if panel.peak is not None:
        yield path([frame.at(frame.x[0], panel.peak), frame.at(frame.x[1], panel.peak)], "peak")
    for epoch, phase in panel.phases:
        ends = [frame.at(epoch, frame.y[0]), frame.at(epoch, frame.y[1])]
        yield element("g", path(ends, "phase"), element("title", f"{phase} from epoch {epoch:g}"))
    for name, line in panel.baselines.items():
        yield from _line(frame, line, f"line {name}", BASELINES.get(name, name))
    yield from _line(frame, panel.ours, "line ours", "ours")


def _marks(frame: Frame, panel: Panel) -> Iterator[Markup]:
    if not panel.ours:
        return
    if panel.returned is not None:
        x, y = frame.at(*_near(panel.ours, panel.returned))
        yield element("circle", cx=x, cy=y, r=4.5, class_="returned")
    if panel.switch is not None:
        x, y = frame.at(*_near(panel.ours, panel.switch))
        yield element("path", d=f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z", class_="switch")


def _line(frame: Frame, line: Line, class_: str, name: str) -> Iterator[Markup]:
    points = [frame.at(*point) for point in line]
    data = {"data_name": name, "data_points": points_of(line)}
    if len(points) == 1:  # a line of one point is invisible
        yield element("circle", cx=points[0][0], cy=points[0][1], r=2, class_=f"{class_} dot", **data)
    elif points:
        yield path(points, class_, **data)


def _near(line: Line, epoch: float) -> tuple[float, float]:
    return min(line, key=lambda point: abs(point[0] - epoch))


def _clipped(frame: Frame, children: list[Markup]) -> Markup:
    """An inner ``svg`` cuts off what is outside of it, with no identifier that could clash with another drawing's."""
    x, y = frame.left, frame.top - 1  # half the width of a line along the edge
    width, height = frame.width - frame.left - frame.right + 2, frame.height - frame.top - frame.bottom + 1
    box = f"{x:g} {y:g} {width:g} {height:g}"
    return element("svg", *children, x=x, y=y, width=width, height=height, viewBox=box)
