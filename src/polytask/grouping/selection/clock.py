"""A time limit that remembers whether it has ended something."""

from __future__ import annotations

import time


class Clock:
    """Time that may be used.

    Args:
        seconds: from now on; None: no limit, and nothing depends on how fast the machine is.

    Attributes:
        ended: whether something was ended by it.

    Example:
        >>> Clock(None).over(), Clock(-1.0).over()
        (False, True)
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self.until = float("inf") if seconds is None else time.monotonic() + seconds
        self.ended = False

    def over(self) -> bool:
        """Whether the time is used up; who asks is to end."""
        if not self.ended and self.seconds is not None:
            self.ended = time.monotonic() > self.until
        return self.ended

    def part(self, share: float) -> Clock:
        """A limit of a share of the time, from now on."""
        return Clock(None if self.seconds is None else share * self.seconds)
