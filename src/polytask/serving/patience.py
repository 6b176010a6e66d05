"""Connections that end when their clients are slow."""

from __future__ import annotations

import asyncio
from typing import Any

#: Seconds until the headers of a request have to be there, from the connection or the answer before.
HEADER_SECONDS = 15.0
#: Seconds for which a client may leave an answer unread.
UNREAD_SECONDS = 30.0


class Patience(asyncio.Protocol):
    """Before a protocol of uvicorn's: drops clients that do not send headers or read answers in time.

    Bodies have their own time, see :class:`~polytask.serving.body_limit.BodyLimit`. When the service ends, requests
    that are there are answered, and those that are half there are dropped.
    """

    header_seconds = HEADER_SECONDS
    unread_seconds = UNREAD_SECONDS
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    cycle: Any
    _headers: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()  # type: ignore[misc]
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_headers()
        self._stop_unread()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self._unread or self.loop.call_later(self.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_unread()

    def shutdown(self) -> None:
        if self._awaits_headers or self.cycle.more_body:
            self.transport.abort()
        else:
            super().shutdown()  # type: ignore[misc]

    @property
    def _awaits_headers(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def _watch(self) -> None:
        if not self._awaits_headers or self.transport.is_closing():
            self._stop_headers()
        elif self._headers is None:
            self._headers = self.loop.call_later(self.header_seconds, self.transport.abort)

    def _stop_headers(self) -> None:
        if self._headers is not None:
            self._headers.cancel()
            self._headers = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


def patient(protocol: type[Any]) -> type[Any]:
    """``protocol`` (``H11Protocol`` or ``HttpToolsProtocol``) with :class:`Patience`."""
    return type("Patient", (Patience, protocol), {})
