"""The command line: one small file per command."""

import os
import sys

from ..processes.signals import INTERRUPTED
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
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # else a lost process is a page of C++ frames
    try:
        app()
    except KeyboardInterrupt:  # before a command had begun
        print(INTERRUPTED, file=sys.stderr)
        raise SystemExit(130) from None


__all__ = ["app", "main"]
