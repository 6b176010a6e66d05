"""Set-ups of the distillation benchmark, by name."""

from .setups import SETUPS

__all__ = ["SETUPS"]
