"""Further targets for the networks of a finished run; see ``docs/adding-tasks.md``."""

from .add import add_run

__all__ = ["add_run"]
