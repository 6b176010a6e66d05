"""What the documentation's pages hold: code by language, and calls of the command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import typer.main

from polytask.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").rglob("*.md")),
]
_FENCED = re.compile(r"(?ms)^( *)```(\w*)\n(.*?)^\1```$")
_INLINE = re.compile(r"`(polytask [^`\n]+)`")


def blocks(text: str, language: str) -> list[str]:
    """Fenced code of a language, also inside lists."""
    return [dedent(code) for _, found, code in _FENCED.findall(text) if found == language]


def links(text: str) -> list[str]:
    """Targets of the links of a page, without those to places in it."""
    return re.findall(r"\]\(([^)#\s]+)", _FENCED.sub("", text))


def section(page: Path, start: str) -> str:
    """The part of a page below the heading that starts so."""
    parts = re.split(r"(?m)^(?=## )", page.read_text(encoding="utf-8"))
    return next(part for part in parts if part.startswith(f"## {start}"))


def commands(text: str) -> list[str]:
    """Lines of code that call ``polytask`` or a script of the repository, continued lines joined."""
    lines = [line.strip() for line in re.sub(r"\\\n\s*", "", text).splitlines()]
    return [
        line for line in lines if re.match(r"(srun |torchrun .*-m |python -m )?polytask \w|python benchmarks/", line)
    ]


def mentions(text: str) -> list[str]:
    """Calls of ``polytask`` in running text and tables."""
    return _INLINE.findall(text)


def arguments(line: str) -> list[str]:
    """The arguments of a call, without what only a person understands: ``...``, ``[optional]``, ``one|other``.

    Example:
        >>> arguments("polytask select affinity.json [--json] --networks N  # as many")
        ['select', 'affinity.json', '--json', '--networks', '2']
        >>> arguments("torchrun -m polytask fit ... --balance dwa|uw > log")
        ['fit', '--balance', 'dwa']
    """
    text = line[re.search(r"\bpolytask ", line).end() :]  # type: ignore[union-attr]
    text = re.sub(r"(?<!\S)\[([^\]]*)\]", r"\1", text)
    text = re.sub(r"(?<=[\w\"])\\?\|[\w.|\\]+", "", text)
    words = shlex.split(text, comments=True)
    end = next((place for place, word in enumerate(words) if word in (">", "|", "&&", ";")), len(words))
    before = ["", *words]
    some = [word for place, word in enumerate(words[:end]) if word not in ("...", "…") or before[place][:2] == "--"]
    return ["2" if word == "N" else word for word in some]


def wrong_with(line: str, *, whole: bool) -> str | None:
    """What the command would refuse about a call, or None.

    Args:
        line: The call.
        whole: Whether required arguments have to be there; in running text they may be left out.
    """
    if "polytask" not in line.split("benchmarks/")[0]:
        script = line.split()[1]
        return None if (ROOT / script).exists() else f"{script} is not there"
    name, *rest = arguments(line)
    group: Any = typer.main.get_command(app)
    if name.startswith("-"):
        return None if name == "--help" else f"no option {name}"
    if name not in group.commands:
        return f"no command {name}"
    try:
        group.commands[name].make_context(name, rest)
    except Exception as error:
        if type(error).__name__ == "Exit" or (type(error).__name__ == "MissingParameter" and not whole):
            return None
        return f"{type(error).__name__}: {getattr(error, 'message', error)}"
    return None


def names_of(page: Path) -> str:
    """A page's name in the repository."""
    return page.relative_to(ROOT).as_posix()


def calls(page: Path) -> Iterator[tuple[str, bool]]:
    """All calls of a page, and whether they are whole."""
    text = page.read_text(encoding="utf-8")
    yield from ((line, True) for line in commands(text))
    yield from ((line, False) for line in mentions(text))
