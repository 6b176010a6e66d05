"""``polytask serve``: predictions over HTTP."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UserError, raise_all
from ..extras import require
from . import options as o
from .app import command
from .predict import Run

#: Seconds in which requests that are there are still answered when the service is to end.
GRACE = 8


@command(epilog="**Example**\n\n`polytask serve runs/first --port 8000`")
def serve(
    run: Run,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="address to listen on; 0.0.0.0 for other machines")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="port to listen on; 0 for any free one")
    ] = 8000,
    most_rows: Annotated[int, typer.Option(min=1, metavar="N", help="maximum rows per request")] = 1000,
    most_bytes: Annotated[int, typer.Option(min=1, metavar="N", help="maximum bytes per request")] = 1 << 23,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="file with the token that requests must send (Authorization: Bearer TOKEN)"),
    ] = None,
    ssl_certfile: Annotated[Path | None, typer.Option(metavar="FILE", help="TLS certificate, for https")] = None,
    ssl_keyfile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="private key, if it is in another file")
    ] = None,
    trust: o.Trust = False,
) -> None:
    """Serve a run over HTTP: POST /predict, GET /health, /metrics and /docs.

    Without --token-file anyone who can reach the address can send requests.
    """
    require("serve", "fastapi", "uvicorn", "prometheus_client", needed_by="polytask serve")
    import uvicorn
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    from ..serving import make_application
    from ..serving.patience import patient
    from ..serving.token import read_token

    secrets = _secrets(ssl_certfile, ssl_keyfile)
    token = None if token_file is None else read_token(token_file)
    application = make_application(run, most_rows=most_rows, most_bytes=most_bytes, trust=trust, token=token)
    config = uvicorn.Config(application, log_level="warning", ws="none", http=patient(AutoHTTPProtocol),
                            timeout_graceful_shutdown=GRACE, **secrets)  # fmt: skip
    _allow_connections()
    with _listening(host, port) as listener:
        at, scheme = listener.getsockname(), "https" if secrets else "http"
        print(
            f"{scheme}://{at[0]}:{at[1]}  (POST /predict, GET /health, /metrics, /docs; stop with Ctrl-C)", flush=True
        )
        with contextlib.suppress(KeyboardInterrupt):  # that is how it ends, after the requests that it has begun
            uvicorn.Server(config).run(sockets=[listener])


def _secrets(certificate: Path | None, key: Path | None) -> dict[str, Any]:
    """Options for TLS, tried before anything is loaded.

    Raises:
        UserError: If they cannot be used.
    """
    if certificate is None:
        raise_all(["--ssl-keyfile: needs --ssl-certfile"] if key is not None else [])
        return {}
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise UserError(f"--ssl-certfile {certificate}: cannot be used ({error}); give a certificate in PEM format, "
                        "and its key with --ssl-keyfile if that is another file") from None  # fmt: skip
    return {"ssl_certfile": certificate, "ssl_keyfile": key}


def _allow_connections() -> None:
    """As many files, and so connections, as the system allows this process."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=2048)
        # Head and body of an answer are two packets: else the second waits for the client to confirm the first (40 ms).
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"--host {host} --port {port}: cannot listen there: {reason}; choose another") from None
