"""Stop a training between two steps when the process is asked to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from ..processes.collectives import gather_from_all, world_size
from ..processes.signals import SIGNALS

#: Of several processes some may get the signal, and not at the same step: every so many steps they ask one another.
EXCHANGE = 16


class Interruption:
    """Whether somebody has asked this process to end, by one of :data:`~polytask.processes.signals.SIGNALS`."""

    def __init__(self) -> None:
        self.requested = False

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Meanwhile the first signal only sets :attr:`requested`, a second one interrupts at once.

        Signals that the program ignores stay ignored, and outside of the main thread nothing changes.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in before.items():
            if handler not in (signal.SIG_IGN, None):
                signal.signal(number, self._request)
        try:
            yield
        finally:
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)

    def agreed(self, step: int) -> bool:
        """Whether to end after a step; the same on every process."""
        if world_size() == 1:
            return self.requested
        return step % EXCHANGE == 0 and any(map(bool, gather_from_all(torch.tensor([self.requested]).float())))

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
