"""Every section of the FAQ is run once, in a folder that all share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from frequent_questions import Answer, run_section


@pytest.fixture(scope="session")
def faq(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Answer]:
    """What the section of a number has made."""
    folder, answers = tmp_path_factory.mktemp("faq"), dict[int, Answer]()

    def answer(number: int) -> Answer:
        if number not in answers:
            before = Path.cwd()
            os.chdir(folder)
            try:
                answers[number] = run_section(number, folder)
            finally:
                os.chdir(before)
        return answers[number]

    return answer
