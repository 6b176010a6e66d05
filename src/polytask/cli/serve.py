"""``polytask serve``: predictions over HTTP."""

from __future__ import annotations

import contextlib
import socket
from typing import Annotated

import typer

from ..errors import UserError
from ..extras import require
from . import options as o
from .app import command
from .predict import Run


@command(epilog="**Example**\n\n`polytask serve runs/first --port 8000`")
def serve(
    run: Run,
    host: Annotated[
        str, typer.Option(help="address to listen on; others than this machine need 0.0.0.0")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    most_rows: Annotated[int, typer.Option(min=1, help="most rows of one request")] = 1000,
    most_bytes: Annotated[int, typer.Option(min=1, help="most bytes of one request")] = 1 << 20,
    trust: o.Trust = False,
) -> None:
    """Serve a run over HTTP: POST /predict, GET /health, /metrics and /docs.

    It has no access control of its own: put it behind something that has before others can reach it.
    """
    require("serve", "fastapi", "uvicorn", "prometheus_client", needed_by="polytask serve")
    import uvicorn

    from ..serving import make_application

    application = make_application(run, most_rows=most_rows, most_bytes=most_bytes, trust=trust)
    with _listening(host, port) as listener:
        at = listener.getsockname()
        print(f"http://{at[0]}:{at[1]}  (POST /predict, GET /health, /metrics, /docs; stop with Ctrl-C)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):  # that is how it ends, after the requests that it has begun
            uvicorn.Server(uvicorn.Config(application, log_level="warning")).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"--host {host} --port {port}: cannot listen there: {reason}; choose another") from None
