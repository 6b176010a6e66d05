"""What a run says while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .training.loop import Progress

#: ``transfer(done bytes, all bytes or None)``.
Transfer = Callable[[int, int | None], None]


class Display:
    """Says nothing; the command line has one that does."""

    def say(self, text: str) -> None:
        """A line for the user."""

    def warn(self, text: str) -> None:
        """A line that the user should read."""

    @contextmanager
    def download(self, title: str) -> Iterator[Transfer | None]:
        """Around one download; gives what is called with the done and the total number of bytes."""
        yield None

    @contextmanager
    def training(self, title: str) -> Iterator[Progress | None]:
        """Around one training; gives what is called with the done and the total number of steps."""
        yield None
