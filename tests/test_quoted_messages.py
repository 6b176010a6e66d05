"""The messages that docs/errors.md explains are those of the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import polytask
from documents import ROOT

SOURCES = sorted(Path(polytask.__file__).parent.rglob("*.py"))
QUOTED = re.findall(r"(?m)^\| `(.+?)` \| ", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"))


def _written(node: ast.expr) -> str | None:
    """A text of the source; what is put into it, and what it quotes, is ``…``."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
        return _plain("".join(map(str, parts)))
    return _plain(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _plain(text: str) -> str:
    return re.sub(r"`[^`]*`", "…", text)


def _texts() -> Iterator[str]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = _written(node) if isinstance(node, ast.expr) else None
            if text and len(text) > 8:
                yield text


@pytest.fixture(scope="module")
def texts() -> str:
    return "\n".join(_texts())


def test_there_are_messages() -> None:
    assert len(QUOTED) > 30


def stands_in(texts: str, message: str) -> bool:
    """Whether the parts between ``…`` follow one another in one text."""
    parts = [part for part in message.split("…") if part.strip(" :;,.")]
    return re.search("[^\n]*".join(map(re.escape, parts)), texts) is not None


@pytest.mark.parametrize("message", QUOTED)
def test_a_quoted_message_is_in_the_source(message: str, texts: str) -> None:
    assert stands_in(texts, message)


def test_an_invented_message_is_found_out(texts: str) -> None:
    assert not stands_in(texts, "…: another process works on this run; wait until … is full")
