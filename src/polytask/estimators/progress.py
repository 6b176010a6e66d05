"""What a run reports in Python: log records, and progress bars when asked for."""

from __future__ import annotations

import logging

from ..display.display import Display
from ..display.text import printable

logger = logging.getLogger("polytask")
logger.addHandler(logging.NullHandler())  # silent unless the user configures logging


class Logged(Display):
    """Reports a run to the logger ``polytask``: what it does at level INFO, what to look at as WARNING."""

    def say(self, text: str) -> None:
        logger.info("%s", printable(text))

    def warn(self, text: str) -> None:
        logger.warning("%s", printable(text))


def display_of(verbose: bool) -> Display:
    """Progress bars and notes in the notebook or on standard error, or log records."""
    if not verbose:
        return Logged()
    from ..display.notebook import Notebook
    from ..display.terminal import Terminal

    terminal = Terminal()
    return Notebook() if terminal.notes.is_jupyter else terminal
