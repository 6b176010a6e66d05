"""Set-ups of the convergence benchmark, by name."""

from . import images, tables, text
from .setup import Setup

SETUPS: dict[str, Setup] = {setup.name: setup for setup in (*tables.SETUPS, *text.SETUPS, *images.SETUPS)}
