"""Progress bars and tables in the terminal. Progress goes to standard error, results to standard output."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from ..runs import Display
from ..training.loop import Progress as ProgressCall


class Terminal(Display):
    """Shows a run as it goes on.

    Args:
        quiet: Say nothing but warnings and errors.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.notes = _console(stderr=True)
        self.results = _console(quiet=quiet)

    def say(self, text: str) -> None:
        if not self.quiet:
            self.notes.print(escape(text), highlight=False)

    def warn(self, text: str) -> None:
        self.notes.print(f"[yellow]note:[/] {escape(text)}", highlight=False)

    @contextmanager
    def training(self, title: str) -> Iterator[ProgressCall | None]:
        started = time.monotonic()
        if self.quiet or not self.notes.is_terminal:
            yield None
            self.say(f"trained {title} in {time.monotonic() - started:.1f} s")
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} steps"),
                   TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
        with Progress(*columns, console=self.notes, transient=True) as bars:
            bar = bars.add_task(escape(title), total=None)
            yield lambda done, total: bars.update(bar, completed=done, total=total)
        self.say(f"trained {title} in {time.monotonic() - started:.1f} s")

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
        """A table of results; columns after the first ``left`` are aligned to the right."""
        table = Table(title=title, title_justify="left", header_style="bold")
        for number, name in enumerate(header):
            table.add_column(escape(name), justify="left" if number < left else "right", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.results.print(table)

    def result(self, text: str) -> None:
        """A line of results."""
        self.results.print(escape(text), highlight=False)


def _console(**options: bool) -> Console:
    """A console that is wide enough for a table of results where nobody's window says otherwise."""
    console = Console(soft_wrap=True, stderr=options.get("stderr", False), quiet=options.get("quiet", False))
    if not console.is_terminal:
        console.width = 140
    return console
