"""``polytask methods``: the catalogue of balancing methods."""

from __future__ import annotations

from typing import Annotated

import typer

from ..display.terminal import Terminal
from ..errors import UserError, did_you_mean
from .app import command


@command(epilog="**Examples**\n\n`polytask methods dwa`\n\n`polytask methods dwa --cite`")
def methods(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="the method to describe", show_default=False)
    ] = None,
    cite: Annotated[bool, typer.Option("--cite", help="print the BibTeX of the method")] = False,
) -> None:
    """List the balancing methods, one line each, or describe one with its options and source."""
    from ..balancing import BALANCERS
    from ..balancing.catalogue import citation, page, summary

    display = Terminal()
    if name is None:
        rows = [[key, summary(key)] for key in BALANCERS]
        display.table("--balance", ["method", "what it does"], rows, left=2)
        return
    if name not in BALANCERS:
        raise UserError(f"methods: unknown method {name!r}; {did_you_mean(name, BALANCERS)}")
    display.result(citation(name) if cite else page(name))
