"""What a run reports while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: ``progress(done steps, all steps)``.
Progress = Callable[[int, int], None]
#: ``transfer(done bytes, all bytes or None)``.
Transfer = Callable[[int, int | None], None]


class Display:
    """Reports nothing; :class:`~polytask.display.terminal.Terminal` does, and loggers.

    Attributes:
        shows: Whether anyone reads what is reported: an estimate that nobody reads need not be made.
    """

    shows = False

    def say(self, text: str) -> None:
        """A line for the user."""

    def warn(self, text: str) -> None:
        """A line that the user should read."""

    def expect(self, trainings: int, seconds: float | None = None) -> None:
        """How many trainings there will be in all, and what they take together, roughly."""

    @contextmanager
    def download(self, title: str) -> Iterator[Transfer | None]:
        """Around one download; gives what is called with the done and the total number of bytes."""
        yield None

    def trained_before(self) -> None:
        """One of all trainings was finished before the run was interrupted."""

    @contextmanager
    def training(self, title: str, *, counts: bool = True) -> Iterator[Progress | None]:
        """Around one training; gives what is called with the done and the total number of steps.

        Args:
            title: What is trained.
            counts: It is one of all trainings; not several at once, each of which is then ``trained_before``.
        """
        yield None
