"""Work that training does not wait for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait


class Background:
    """One piece of work at a time, in a separate thread.

    What goes wrong there is raised by the next call of :meth:`start`, :meth:`check` or :meth:`wait`, once. The program
    does not end before the work has.

    Example:
        >>> work, done = Background(), []
        >>> work.start(lambda: done.append(1))
        >>> work.wait()
        >>> done
        [1]
    """

    def __init__(self) -> None:
        #: What is being done, or was done last and is not yet asked for.
        self.work: Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being done."""
        return self.work is not None and not self.work.done()

    def start(self, work: Callable[[], None]) -> None:
        """Do ``work``, as soon as what was started before is done: till then this waits."""
        self.wait()
        thread = ThreadPoolExecutor(1, "background")
        self.work = thread.submit(work)
        thread.shutdown(wait=False)  # it ends with the work

    def check(self) -> None:
        """Raise what went wrong, if it is known by now."""
        if not self.busy:
            self.wait()

    def wait(self) -> None:
        """Return when nothing is left to do."""
        if self.work is not None:
            wait([self.work])
            work, self.work = self.work, None
            work.result()
