"""No request may make the service read without end, or wait without end."""

from __future__ import annotations

import asyncio
import contextlib
import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Seconds in which a body has to come. As long, the rest of a refused body is read and thrown away: a connection
#: that is closed while its client still sends is reset, and the client never reads the answer.
BODY_SECONDS = 30.0


class BodyLimit:
    """Answers 413 to a body of more than ``most`` bytes, whatever its headers promise, and 408 to one that is not there
    after ``seconds``."""

    def __init__(self, app: ASGIApp, most: int, seconds: float = BODY_SECONDS) -> None:
        self.app, self.most, self.seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.most:
            await self._refuse(receive, send, more=True)
            return
        try:
            async with asyncio.timeout(self.seconds):
                found = await self._read(receive)
        except TimeoutError:
            await _answer(send, 408, f"the body was not there after {self.seconds:g} seconds", last=True)
            return
        if found is None:
            return  # the client has gone
        body, more = found
        if len(body) > self.most:
            await self._refuse(receive, send, more=more)
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def read() -> Message:
            return waiting.pop() if waiting else await receive()

        await self.app(scope, read, send)

    async def _read(self, receive: Receive) -> tuple[bytes, bool] | None:
        """The body, or as much of it as shows that it is too long, and whether there is more; None without a client."""
        body, more = bytearray(), True
        while more and len(body) <= self.most:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body), more

    async def _refuse(self, receive: Receive, send: Send, *, more: bool) -> None:
        await _answer(send, 413, f"the body has more than {self.most} bytes; send fewer rows at once", last=False)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.seconds):
                while more:  # after the end, nothing comes until the answer is complete
                    more = (await receive()).get("more_body", False)
        await send({"type": "http.response.body", "body": b""})


async def _answer(send: Send, status: int, detail: str, *, last: bool) -> None:
    answer = json.dumps({"detail": detail}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer, "more_body": not last})
