"""``polytask select``: the networks for a budget, from a matrix of affinities."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..config.texts import names, pairs
from ..display.terminal import Terminal
from ..errors import UserError
from . import options as o
from .app import command

if TYPE_CHECKING:
    from ..grouping.selection import Selection
    from ..grouping.stability import Stability

#: What `--json` prints; the format is fixed. `complete` (false) follows if a time limit ended the search.
JSON_KEYS = ("networks", "serves", "score", "bound", "optimal")


@command(
    epilog="**Examples**\n\n`polytask select affinity.json --networks 3 --json`\n\n"
    "`polytask select affinity.json --networks 4 --max-size 5 --together a,b --apart c,d`\n\n"
    "`polytask select affinity.json --budget 2.5 --cost 1=0.5 --single-score 0`"
)
def select(
    affinity: Annotated[
        Path, typer.Argument(metavar="FILE", help="file that `polytask affinity` wrote", show_default=False)
    ],
    networks: Annotated[
        int | None, typer.Option(metavar="N", help="maximum number of networks", show_default=False)
    ] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="COST", help="maximum total cost of the networks, instead of their number")
    ] = None,
    cost: Annotated[
        list[str] | None,
        typer.Option(metavar="SIZE=COST", help="cost of a network of SIZE tasks; others cost 1; repeatable"),
    ] = None,
    single_score: Annotated[
        float | None, typer.Option(metavar="SCORE", help="score of a single-task network, to let it compete")
    ] = None,
    max_size: Annotated[int | None, typer.Option(metavar="N", help="maximum number of tasks in a network")] = None,
    together: Annotated[
        list[str] | None, typer.Option(metavar="A,B", help="one network serves both; repeatable")
    ] = None,
    apart: Annotated[
        list[str] | None, typer.Option(metavar="A,B", help="no network is trained on both; repeatable")
    ] = None,
    losses: Annotated[
        bool, typer.Option("--losses", help="the file holds measured losses of pairs, to minimise")
    ] = False,
    resamples: Annotated[
        int, typer.Option(metavar="N", help="number of resamples that show how stable the choice is; 0: none")
    ] = 100,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="time limit of the search; the result may then differ between machines"),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(metavar="N", help="rounds of the search [default: 200, fewer for more than about 100 tasks]"),
    ] = None,
    json: o.Json = False,
) -> None:
    """Choose the networks that serve every task best: proven for up to 20 tasks, searched for more.

    Up to 20 tasks (a group of `--together` counts as one) the choice is proven to be the best. For more tasks, a search
    starts from clusterings of the affinity and prints an upper bound of the score; a thousand tasks take a few
    seconds. The result is the same on every machine unless `--seconds` ends the search.

    The score is the mean over tasks of the affinity onto each task in the network that serves it. A network for one
    task is chosen only where nothing else is possible, unless `--single-score` lets it compete. With `--losses` (HOA),
    entry i, j of the file is the loss of task j when trained with task i, on the diagonal when trained
    alone, and the score is the negative mean of the predicted losses.
    """
    from ..grouping.affinity_matrix import Affinity
    from ..grouping.selection import select_networks
    from ..grouping.stability import selection_stability
    from ..grouping.strategies.higher_order import select_by_pairs

    if networks is None and budget is None:
        raise UserError("--networks: give the largest number of networks, such as --networks 3, or a --budget")
    if losses and single_score is not None:
        raise UserError(
            "--single-score: has no effect with --losses, whose diagonal holds the score of each single-task network"
        )
    if resamples < 0:
        raise UserError(f"--resamples: expected a whole number of at least 0, found {resamples}")
    constraints: dict[str, Any] = {
        "budget": budget,
        "cost": _costs(cost),
        "max_size": max_size,
        "together": [names(text, "--together") for text in together or ()],
        "apart": [names(text, "--apart") for text in apart or ()],
    }
    limits: dict[str, Any] = {"seconds": seconds, "rounds": rounds}
    matrix = Affinity.load(affinity)
    selection = (
        select_by_pairs(matrix, networks, **constraints, **limits)
        if losses
        else select_networks(matrix, networks, single_score=single_score, **constraints, **limits)
    )
    if json:
        content = selection.to_json_dict()
        keys = JSON_KEYS if selection.complete else (*JSON_KEYS, "complete")
        print(jsonlib.dumps({key: content[key] for key in keys}, ensure_ascii=False))
        return
    stability = (
        selection_stability(
            matrix, selection, networks, single_score=single_score, resamples=resamples, seconds=seconds, **constraints
        )
        if resamples and not losses
        else None
    )
    _show(selection, stability)


def _show(selection: Selection, stability: Stability | None) -> None:
    display = Terminal()
    header = ["network", "trained on", "serves"]
    rows = [
        [str(k), " + ".join(network), ", ".join(task for task, served in selection.serves.items() if served == k)]
        for k, network in enumerate(selection.networks)
    ]
    if stability is not None:
        header.append("stability")
        rows = [[*row, f"{share:.0%}"] for row, share in zip(rows, stability.networks, strict=True)]
    display.table("networks", header, rows, left=3)
    if stability is not None:
        display.result(stability.sentence())
    proof = "proven best" if selection.optimal else f"not proven best; no choice can score above {selection.bound:.6g}"
    display.result(f"score {selection.score:.6g} ({proof})")
    if not selection.complete:
        display.result("--seconds ended the search: on another machine it may end with other networks")


def _costs(texts: Sequence[str] | None) -> dict[int, float] | None:
    """``SIZE=COST`` texts as a table."""
    if not texts:
        return None
    try:
        return {int(size): float(cost) for size, cost in pairs(texts, "--cost").items()}
    except ValueError:
        raise UserError(f"--cost {' '.join(texts)!r}: expected SIZE=COST, such as 1=0.5") from None
