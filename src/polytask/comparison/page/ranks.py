"""Critical-difference diagram (Demsar, JMLR 7, 2006): methods on a line of mean ranks, bars join equal ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from ...reporting.numbers import shown
from ...reporting.svg import drawing, element, path, shortened

WIDTH, LEFT, RIGHT, AXIS, STEP = 620.0, 150.0, 150.0, 54.0, 20.0


def rank_diagram(ranks: Mapping[str, float], cliques: Sequence[Sequence[str]], difference: float) -> Markup:
    """The diagram; the best rank is on the left.

    Args:
        ranks: Mean rank of each method.
        cliques: Groups of methods without a significant difference.
        difference: The critical difference, drawn above the axis.
    """
    order = sorted(ranks, key=lambda name: ranks[name])
    low, high = 1, max(len(ranks), 2)

    def at(rank: float) -> float:
        return LEFT + (rank - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    axis = [element("line", x1=at(low), x2=at(high), y1=AXIS, y2=AXIS, class_="axis")]
    for rank in range(low, high + 1):
        axis.append(element("line", x1=at(rank), x2=at(rank), y1=AXIS - 5, y2=AXIS, class_="axis"))
        axis.append(element("text", str(rank), x=at(rank), y=AXIS - 9, text_anchor="middle", class_="tick"))
    shown_width = min(at(low + difference), WIDTH - 10.0)
    axis.append(element("line", x1=at(low), x2=shown_width, y1=18, y2=18, class_="critical"))
    axis.append(element("text", f"critical difference {shown(difference, 2)}", x=at(low), y=12, class_="label"))
    bars = []
    for level, group in enumerate(cliques):
        y = AXIS + 9 + 7 * level
        ends = [ranks[name] for name in group]
        bars.append(element("line", x1=at(min(ends)) - 3, x2=at(max(ends)) + 3, y1=y, y2=y, class_="clique"))
    first = AXIS + 26 + 7 * len(cliques)
    left = (len(order) + 1) // 2
    names = [
        _name(name, ranks[name], at(ranks[name]), first + STEP * place, on_left=True)
        for place, name in enumerate(order[:left])
    ]
    names += [
        _name(name, ranks[name], at(ranks[name]), first + STEP * place, on_left=False)
        for place, name in enumerate(reversed(order[left:]))
    ]
    said = ", ".join(f"{name} {shown(ranks[name], 2)}" for name in order)
    label = f"Mean ranks, best first: {said}; critical difference {shown(difference, 2)}"
    return drawing(WIDTH, first + STEP * left, label, *axis, *names, *bars)


def _name(name: str, rank: float, x: float, y: float, *, on_left: bool) -> Markup:
    end = LEFT - 8 if on_left else WIDTH - RIGHT + 8
    text = shortened(name, 15)
    words = f"{text} {shown(rank, 2)}" if on_left else f"{shown(rank, 2)} {text}"
    anchor = "end" if on_left else "start"
    return element(
        "g",
        element("title", f"{name}: mean rank {shown(rank, 2)}"),
        path([(x, AXIS), (x, y), (end, y)], "leader"),
        element("text", words, x=end - 4 if on_left else end + 4, y=y + 4, text_anchor=anchor, class_="name"),
        class_="method",
        data_method=name,
    )
