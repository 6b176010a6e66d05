"""Progress in a notebook: one bar that is updated, and notes as plain lines below it; no widgets are needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from .display import Progress
from .terminal import Terminal
from .text import printable

#: Seconds between two drawings.
PAUSE = 0.2


class Notebook(Terminal):
    """Shows a run while it runs, in the output of a cell."""

    _shown: Any = None

    def say(self, text: str) -> None:
        print(printable(text))

    def warn(self, text: str) -> None:
        print(f"note: {printable(text)}")

    @contextmanager
    def _bar(self, title: str) -> Iterator[Progress | None]:
        last = -PAUSE

        def tell(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= PAUSE:
                last = time.monotonic()
                self._draw(f'{escape(printable(title))} <progress value="{done}" max="{total}"></progress> '
                           f"{done:,}/{total:,} steps")  # fmt: skip

        try:
            yield tell
        finally:
            self._draw("")

    def _draw(self, html: str) -> None:
        from IPython.display import HTML, display  # is there in every notebook

        if self._shown is None:
            self._shown = display(HTML(html), display_id=True)
        else:
            self._shown.update(HTML(html))
