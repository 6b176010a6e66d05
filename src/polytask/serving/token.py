"""Only who knows a secret is answered."""

from __future__ import annotations

import hmac
import json
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import UserError

#: What anyone may ask: whether the service answers.
OPEN = ("/health",)


def read_token(file: Path) -> str:
    """The secret in a file, without the white space around it.

    Raises:
        UserError: If there is no such file, or none of at least 16 printable ASCII characters without spaces in it.
    """
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--token-file {file}: cannot be read ({error}); give a file that holds the token") from None
    if len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token:
        raise UserError(f"--token-file {file}: expected one token of at least 16 ASCII characters without spaces, "
                        f"found {len(token)} characters; `openssl rand -hex 32` makes one")  # fmt: skip
    return token


class BearerToken:
    """Answers 401 to requests without ``Authorization: Bearer TOKEN``, before it reads their bodies."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        if hmac.compare_digest(given, self._expected):
            await self.app(scope, receive, send)
            return
        answer = json.dumps({"detail": "give the token: Authorization: Bearer TOKEN"}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(answer)).encode()),
            (b"www-authenticate", b"Bearer"),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": answer})
