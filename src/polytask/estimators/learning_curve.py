"""Whether more rows would help: the same training on parts of the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import UserError
from ..runs import Bundle
from ..runs.use import labelled_rows
from ..task.plots import Curve, Graph
from ..uncertainty import interval
from .figures import Figure
from .scores import skill_estimates


def learning_curve(
    fit: Callable[[pa.Table], Bundle], table: pa.Table, shares: Sequence[float], held: float, seed: int
) -> dict[str, Figure]:
    """Skill of every target on held-out rows by the number of rows that networks are made of.

    Args:
        fit: Trains networks on a table.
        table: All rows with labels.
        shares: Of the rows that are not held out, ascending.
        held: Share of the rows that are measured on, the same for all.
        seed: Draws both.

    Raises:
        UserError: If a share is not more than 0 and at most 1.
    """
    wrong = [share for share in (*shares, held) if not 0 < share <= 1]
    if wrong or held == 1 or not shares:
        raise UserError(f"shares of rows must be more than 0 and at most 1, found shares={list(shares)}, held={held:g}")
    order = np.random.default_rng(seed).permutation(table.num_rows)
    test, rest = np.split(order, [round(held * len(order))])
    points: dict[str, list[tuple[float, Any]]] = {}
    for share in shares:
        rows = np.sort(rest[: max(1, round(share * len(rest)))])
        bundle = fit(table.take(rows))
        for name, found in skill_estimates(
            bundle, *labelled_rows(bundle, table.take(np.sort(test)), where="table")
        ).items():
            points.setdefault(name, []).append((float(len(rows)), found))
    return {name: Figure(_chart(name, own)) for name, own in points.items()}


def _chart(name: str, points: Sequence[tuple[float, Any]]) -> Graph:
    line = Curve("ours", tuple((rows, found.value) for rows, found in points),
                tuple(interval(found) for _, found in points))  # fmt: skip
    return Graph("learning_curve", f"Learning curve of {name}", "rows", "skill on held-out rows", (line,),
                 note="Bars are 95 % intervals; skill is 0 for a constant and 1 for a perfect prediction.")  # fmt: skip
