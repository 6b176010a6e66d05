"""Counts and durations of requests."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Paths that are counted by their names; all others are "other".
PATHS = ("/predict", "/health", "/metrics", "/docs")
#: Seconds: from what one row takes to what a client's patience takes.
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class RequestMetrics:
    """Counts requests by path and status, and measures them from their headers to the end of the answer."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self.app = app
        self._requests = Counter("polytask_requests", "Requests by path and status", ["path", "status"],
                                 registry=registry)  # fmt: skip
        self._seconds = Histogram("polytask_request_seconds", "Seconds per request, its body included", ["path"],
                                  buckets=BUCKETS, registry=registry)  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in PATHS else "other"
        started = time.monotonic()

        async def seen(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.labels(path, message["status"]).inc()
            await send(message)

        await self.app(scope, receive, seen)
        self._seconds.labels(path).observe(time.monotonic() - started)
