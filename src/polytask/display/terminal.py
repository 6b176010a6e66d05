"""Progress bars and tables in the terminal. Progress goes to standard error, results to standard output."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from .display import Display, Transfer
from .text import duration, printable

if TYPE_CHECKING:
    from .display import Progress as ProgressCall

#: Columns of a terminal from which tables have headers of one line and show intervals.
WIDE = 110
#: And from which they show gains and networks; where there is no terminal, tables are this wide.
WIDEST = 160
#: Seconds between two lines of progress where there is no terminal, and below which nobody asks how much is left.
MINUTE = 60.0


class Terminal(Display):
    """Shows a run while it runs.

    Args:
        quiet: Say nothing; errors are shown nevertheless.
        json: Results go to standard output as JSON, so say nothing but warnings.
    """

    def __init__(self, quiet: bool = False, json: bool = False) -> None:
        self.silent, self.quiet = quiet, quiet or json
        self.shows = not self.quiet
        self.trainings, self.done, self.seconds, self.began = 0, 0, 0.0, time.monotonic()
        self.notes = _console(stderr=True)
        self.results = _console(quiet=self.quiet)

    def say(self, text: str) -> None:
        if not self.quiet:
            self.notes.print(escape(printable(text)), highlight=False)

    def warn(self, text: str) -> None:
        if not self.silent:
            self.notes.print(f"[yellow]note:[/] {escape(printable(text))}", highlight=False)

    def expect(self, trainings: int, seconds: float | None = None) -> None:
        self.trainings = trainings
        if seconds is not None:
            self.seconds, self.began = seconds, time.monotonic()

    def trained_before(self) -> None:
        self.done += 1

    @contextmanager
    def training(self, title: str, *, counts: bool = True) -> Iterator[ProgressCall | None]:
        started = time.monotonic()
        number = self._of_all(self.done + 1) if counts else ""
        with self._bar(f"{title}{number}") as progress:
            yield progress
        self.done += counts
        self.say(f"trained {title} in {time.monotonic() - started:.1f} s{number}{self._left()}")

    def _of_all(self, number: int) -> str:
        """Which of all trainings this is, where their number is known."""
        return f" ({number} of {self.trainings})" if number <= self.trainings and self.trainings > 1 else ""

    def _left(self) -> str:
        left = self.seconds - (time.monotonic() - self.began)
        return f", at most about {duration(left)} left" if left > MINUTE and self.done < self.trainings else ""

    def _lines(self, title: str) -> ProgressCall:
        """Progress without a terminal: a line now and then."""
        last = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last > MINUTE and done < total:
                last = time.monotonic()
                self.say(f"{title}: {done:,} of {total:,} steps{self._left()}")

        return tell

    @contextmanager
    def _bar(self, title: str) -> Iterator[ProgressCall | None]:
        if self.quiet or not self.notes.is_terminal:
            yield None if self.quiet else self._lines(title)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[steps]}"),
                   TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
        with Progress(*columns, console=self.notes, transient=True) as bars:
            bar = bars.add_task(escape(printable(title)), total=None, steps="")
            yield lambda done, total: bars.update(bar, completed=done, total=total, steps=f"{done:,}/{total:,} steps")

    @contextmanager
    def download(self, title: str) -> Iterator[Transfer | None]:
        seen: list[int] = []

        def tell(done: int, total: int | None) -> None:
            if not seen and done:
                of = "" if total is None else f" of {decimal(total)}"
                self.say(f"{title}: continues after {decimal(done)}{of}")
            seen.append(done)

        if self.quiet or not self.notes.is_terminal:
            yield tell
        else:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
                       TimeRemainingColumn())  # fmt: skip
            with Progress(*columns, console=self.notes, transient=True) as bars:
                bar = bars.add_task(escape(printable(title)), total=None)

                def shown(done: int, total: int | None) -> None:
                    tell(done, total)
                    bars.update(bar, completed=done, total=total)

                yield shown
        self.say(f"downloaded {title}, {decimal(seen[-1] if seen else 0)}")

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
        """A table of results; columns after the first ``left`` are aligned to the right.

        A header may be broken at spaces, at zero-width spaces and, with a hyphen, at soft hyphens.
        """
        table = Table(
            title=escape(printable(title)), title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False
        )
        table.padding, table.show_edge = ((0, 1), True) if self.results.width >= WIDE else ((0, 0), False)
        for number, name in enumerate(header):
            table.add_column(
                escape(self._header(name)),
                justify="left" if number < left else "right",
                overflow="fold",
                no_wrap=number > 0,
            )
        for row in rows:
            table.add_row(*map(printable, row))
        self.results.print(table)

    @property
    def wide(self) -> bool:
        """Whether tables have room for what is good to know but not needed."""
        return bool(self.results.width >= WIDE)

    @property
    def widest(self) -> bool:
        """Whether they have room for gains over every baseline and the networks, too."""
        return bool(self.results.width >= WIDEST)

    def _header(self, text: str) -> str:
        if self.results.width >= WIDE:
            return text.replace("\u200b", "").replace("\u00ad", "")
        return text.replace(" ", "\n").replace("\u200b", "\n").replace("\u00ad", "-\n")

    def result(self, text: str) -> None:
        """A line of results."""
        self.results.print(escape(printable(text)), highlight=False)


def _console(**options: bool) -> Console:
    """A console that is wide enough for a table of results where there is no window."""
    console = Console(soft_wrap=True, stderr=options.get("stderr", False), quiet=options.get("quiet", False))
    if not console.is_terminal:
        console.width = WIDEST
    return console
