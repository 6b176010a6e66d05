"""Pages, docstrings, comments and messages use the words of people who come from PyTorch and scikit-learn."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import polytask
from documents import PAGES, ROOT, names_of

#: What is not written, and what is written instead.
INSTEAD = {
    r"pictures?": "image, plot",
    r"gambl\w+": "validated choice",
    r"[Ll]ikewise": "the sentence itself",
    r"[Ss]ee there": "the sentence itself",
    r"wish(es|ed)?": "constraint, request",
    r"lanes?": "worker",
    r"[Ss]ays": "states, prints, reports, sets",
    r"(is|are|was|were) said": "is reported",
    r"(told|tell|tells|kept|keep|keeps) apart": "distinguished, kept separate",
    r"(belongs?|train|trained|go|goes) together": "grouped, trained jointly, combined",
    r"(goes|go|went) on": "continues",
    r"in (the )?place of": "instead of",
    r"[Aa]n own": "a custom, a separate",
    r"whole or absent": "atomic",
    r"anybody('s)?": "anyone, your",
    r"anew": "again",
    r"learnt": "learned",
    r"[Ww]ho (helps|serves) whom": "which task helps which, which network serves which task",
    r"ways? of (sharing|grouping)": "sharing architecture, grouping strategy",
    r"from which on": "from which",
    r"[Mm]end(s|ed)?": "correct, fix",
    r"[Ss]trangers?('s?)?": "untrusted",
    r"[Aa]s far as (it is|they are) known": "if known",
    r"[Ss]tands? beside": "is shown next to, is concatenated with",
    r"(is|are) to be had": "is available",
    r"gone through": "used by a forward or backward pass",
    r"[Ll]ooks? at (losses|gradients|metrics)": "uses",
    r"what is called what": "equivalents",
}
WRONG = re.compile(rf"(?<![\w-])({'|'.join(INSTEAD)})(?![\w-])")
CODE = re.compile(r"```.*?```|``.*?``|`[^`\n]*`|\]\([^)]*\)|<!--.*?-->", re.DOTALL)
SOURCES = sorted(Path(polytask.__file__).parent.rglob("*.py"))


def found(text: str) -> set[str]:
    """The words of a text that are not used, outside of code."""
    return {match[0] for match in WRONG.finditer(CODE.sub(" ", text))}


def prose(path: Path) -> Iterator[str]:
    """Comments, docstrings and messages of a source, without examples and names of arguments and keys."""
    with io.StringIO(path.read_text(encoding="utf-8")) as stream:
        for token in tokenize.generate_tokens(stream.readline):
            if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and " " in token.string):
                lines = [line for line in token.string.split("\n") if not line.lstrip().startswith((">>>", "..."))]
                yield "\n".join(re.sub(r"^ +\w+: ", "", line) for line in lines)


@pytest.mark.parametrize("page", PAGES, ids=names_of)
def test_a_page_uses_the_words_of_its_readers(page: Path) -> None:
    assert not found(page.read_text(encoding="utf-8"))


def test_the_source_uses_the_words_of_its_readers() -> None:
    wrong = {names_of(path): words for path in SOURCES if (words := set().union(*map(found, prose(path))))}
    assert not wrong, f"instead: {INSTEAD}"


def test_words_are_found_and_code_is_not() -> None:
    assert found("The page says it; `says`, [x](says.md) and essays are code or other words.") == {"says"}
    assert ROOT.joinpath("docs").exists()
