"""The code of the FAQ, run section by section: what it says and what is tested are one text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from documents import ROOT, arguments, section
from small_table import polytask

FAQ = ROOT / "docs" / "faq.md"
#: What makes the commands quick; it changes no other option.
QUICK = {
    "fit": ("--steps", "12", "--batch-size", "32", "--set", "threads=1", "--set", "model.hidden=[8]"),
    "compare": ("--set", "base.steps=8", "--set", "base.batch_size=32", "--set", "base.threads=1"),
    "tune": ("--set", "base.steps=8", "--set", "base.batch_size=32", "--set", "base.threads=1"),
}
_BLOCK = re.compile(r"(?ms)^```(\w+)\n(.*?)^```$")


class Answer(NamedTuple):
    """What a section of the FAQ has made: its Python names, what its commands printed, and the folder."""

    names: dict[str, Any]
    printed: str
    folder: Path

    def __getitem__(self, name: str) -> Any:
        return self.names[name]


def run_section(number: int, folder: Path) -> Answer:
    """Run the introduction and a section in the current folder."""
    introduction = FAQ.read_text(encoding="utf-8").split("\n## ")[0]
    return _run(introduction + section(FAQ, f"{number}."), folder)


def _run(text: str, folder: Path) -> Answer:
    names: dict[str, Any] = {"__name__": "faq"}
    printed = ""
    for language, code in _BLOCK.findall(text):
        if language == "python":
            exec(compile(code, str(FAQ), "exec"), names)
        elif language == "yaml":
            Path(code.splitlines()[0].removeprefix("# ")).write_text(code, encoding="utf-8")
            assert yaml.safe_load(code)
        else:
            for line in code.splitlines():
                words = arguments(line)
                result = polytask(*words, *QUICK.get(words[0], ()))
                assert result.exit_code == 0, f"{line}\n{result.output}"
                printed += result.output
    return Answer(names, printed, folder)
