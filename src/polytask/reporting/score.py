"""Score of the best choice against the number of networks: what one more network would buy."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from .svg import Frame, defined, drawing, element, nothing_drawn, padded, path


def score_curve(points: Sequence[tuple[int, float]], chosen: int, knee: int | None = None) -> Markup:
    """The score for every number of networks; the chosen number is filled, the knee has a line down to the axis."""
    ordered = sorted((int(count), score) for count, score in defined(points))
    if not ordered:
        return nothing_drawn(460, 230, "Score by number of networks")
    counts, scores = [count for count, _ in ordered], [score for _, score in ordered]
    across = (min(counts) - 0.4, max(counts) + 0.4)
    frame = Frame(across, padded(scores, 0.12), width=460, height=230, left=64)
    places = [frame.at(*point) for point in ordered]
    marks = [
        element("circle", cx=x, cy=y, r=5, class_="mark chosen" if count == chosen else "mark")
        for (x, y), count in zip(places, counts, strict=True)
    ]
    axes = frame.axes("number of networks", "score (mean affinity onto the tasks) ↑", whole_x=True)
    stem = []
    if knee in counts:
        x, y = places[counts.index(knee)]
        bottom = frame.height - frame.bottom
        stem = [
            element("line", x1=x, x2=x, y1=y, y2=bottom, class_="peak"),
            element("text", "knee", x=x + 5, y=bottom - 6, class_="label"),
        ]
    return drawing(
        frame.width, frame.height, "Score by number of networks", *axes, *stem, path(places, "line ours"), *marks
    )
