"""``polytask methods``: the catalogue of balancing methods."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

from ..balancing import BALANCERS
from ..errors import UserError, did_you_mean
from .app import command
from .display import Terminal


@command(epilog="**Example**\n\n`polytask methods dwa`")
def methods(
    name: Annotated[str | None, typer.Argument(help="one method in full", show_default=False)] = None,
) -> None:
    """Say what the balancing methods are: one line each, or one in full with its options and its reference."""
    display = Terminal()
    if name is None:
        rows = [[key, (inspect.getdoc(method) or "").splitlines()[0]] for key, method in BALANCERS.items()]
        display.table("--balance", ["method", "what it is"], rows, left=2)
        return
    if name not in BALANCERS:
        raise UserError(f"methods: unknown method {name!r}; {did_you_mean(name, BALANCERS)}")
    signature = inspect.signature(BALANCERS[name].__init__)
    options = [str(option) for option in list(signature.parameters.values())[1:]]
    display.result(f"{name}\n\n{inspect.getdoc(BALANCERS[name])}\n\nOptions: {'; '.join(options) or 'none'}")
