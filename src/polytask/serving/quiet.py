"""What a service logs has a limit, whatever happens how often: lines of one kind are few, and then counted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

#: Lines of one kind in this many seconds.
MOST, SECONDS = 5, 10.0
#: Loggers of the server and of the event loop, which write a line for each connection or request that fails.
LOGGERS = ("uvicorn.error", "uvicorn.asgi", "asyncio", "concurrent.futures")
_NO_FILE = "no file descriptor is left for a connection (ulimit -n); new ones wait"


class RateLimit(logging.Filter):
    """Lets ``most`` lines of a kind through in ``seconds``; the next after that states how many were left out.

    Lines are of a kind if the same line of a program logs them with the same type of exception, so that there are no
    more kinds than these.

    Args:
        most: Lines of one kind.
        seconds: In this many seconds.
        clock: Gives seconds.
    """

    def __init__(self, most: int = MOST, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.most, self.seconds, self._clock = most, seconds, clock
        self._seen: dict[Any, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.pathname, record.lineno, record.exc_info[0] if record.exc_info else None
        now = self._clock()
        since, count = self._seen.get(kind, (now, 0))
        if now - since < self.seconds:
            self._seen[kind] = since, count + 1
            return count < self.most
        if count > self.most:
            record.msg, record.args = (
                f"{record.getMessage()} (and {count - self.most:,} similar ones since the last)",
                (),
            )
        self._seen[kind] = now, 1
        return True


@asynccontextmanager
async def few_lines(_: object) -> AsyncIterator[None]:
    """Limits what a service logs while it runs; a connection for which no file is left is a line, not a traceback."""
    limit, loop = RateLimit(), asyncio.get_running_loop()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "out of system resource" in str(context.get("message")):
            logging.getLogger(LOGGERS[0]).warning(_NO_FILE)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.addFilter(limit)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(limit)
