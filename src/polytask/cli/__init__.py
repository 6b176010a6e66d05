"""The command line: one small file per command."""

from . import affinity, demo, evaluate, export, fit, methods, predict, report, select  # noqa: F401 - registers the commands
from .app import app


def main() -> None:
    """Entry point of ``polytask``."""
    app()


__all__ = ["app", "main"]
