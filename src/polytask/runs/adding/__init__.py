"""Further targets for the networks of a finished run; see ``docs/adding-tasks.md``."""

from .add import AddingRun

__all__ = ["AddingRun"]
