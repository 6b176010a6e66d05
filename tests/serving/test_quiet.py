"""Whatever happens how often, a service logs few lines of a kind."""

from __future__ import annotations

import asyncio
import errno
import logging

import pytest

from polytask.serving.quiet import MOST, RateLimit, few_lines


def _record(line: int = 1) -> logging.LogRecord:
    return logging.LogRecord("uvicorn.error", logging.WARNING, "server.py", line, "event %d", (7,), None)


def test_few_lines_of_a_kind_are_let_through_and_the_others_counted() -> None:
    now = [0.0]
    limit = RateLimit(most=2, seconds=10, clock=lambda: now[0])
    assert [limit.filter(_record()) for _ in range(4)] == [True, True, False, False]
    assert limit.filter(_record(line=2)), "another kind is not held back"
    now[0] = 11.0
    later = _record()
    assert limit.filter(later) and later.getMessage() == "event 7 (and 2 similar ones since the last)"
    assert limit.filter(_record()) and not limit.filter(_record())


@pytest.mark.parametrize("message", ["socket.accept() out of system resource", "Exception in callback"])
def test_an_event_loop_that_fails_again_and_again_is_a_few_lines(
    message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio reports each of the 2,048 connections that it tries to accept at once."""

    async def fail_often() -> None:
        loop = asyncio.get_running_loop()
        async with few_lines(None):
            for _ in range(2048):
                loop.call_exception_handler({"message": message, "exception": OSError(errno.EMFILE, "no file")})

    asyncio.run(fail_often())
    assert 1 <= len(caplog.records) <= MOST
    assert ("Traceback" in caplog.text or "OSError" in caplog.text) != ("accept" in message)


def test_loggers_are_left_as_they_were() -> None:
    async def nothing() -> None:
        async with few_lines(None):
            assert logging.getLogger("asyncio").filters

    asyncio.run(nothing())
    assert not logging.getLogger("asyncio").filters
