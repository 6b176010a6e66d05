"""The command line: one small file per command."""

from . import (  # noqa: F401 - registers the commands
    affinity,
    compare,
    demo,
    doctor,
    evaluate,
    export,
    fit,
    methods,
    predict,
    report,
    select,
    serve,
    tune,
)
from .app import app


def main() -> None:
    """Entry point of ``polytask``."""
    app()


__all__ = ["app", "main"]
