"""``polytask select``: the networks for a budget, from a matrix of affinities."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from ..grouping.affinity_matrix import Affinity
from ..grouping.selection import select_networks
from . import options as o
from .app import command
from .display import Terminal

#: What `--json` prints; the format is fixed.
JSON_KEYS = ("networks", "serves", "score", "bound", "optimal")


@command(epilog="**Example**\n\n`polytask select affinity.json --networks 3 --json`")
def select(
    affinity: Annotated[Path, typer.Argument(help="file that `polytask affinity` wrote", show_default=False)],
    networks: Annotated[int, typer.Option(help="most networks", show_default=False)],
    single_score: Annotated[float | None, typer.Option(help="score of a task alone, to let it compete")] = None,
    json: o.Json = False,
) -> None:
    """Choose the networks that serve every task best, with proof.

    The score is the mean over the tasks of the affinity onto each in the network that serves it. A network for one task
    is chosen only where nothing else is possible, unless `--single-score` lets it compete.
    """
    selection = select_networks(Affinity.load(affinity), networks, single_score=single_score)
    if json:
        content = selection.to_json_dict()
        print(jsonlib.dumps({key: content[key] for key in JSON_KEYS}, ensure_ascii=False))
        return
    display = Terminal()
    rows = [
        [str(k), " + ".join(network), ", ".join(task for task, served in selection.serves.items() if served == k)]
        for k, network in enumerate(selection.networks)
    ]
    display.table("networks", ["network", "trained on", "serves"], rows, left=3)
    proof = "proven best" if selection.optimal else f"not proven best; no choice can score above {selection.bound:.6g}"
    display.result(f"score {selection.score:.6g} ({proof})")
