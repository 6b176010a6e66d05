"""Uninterrupted runs to compare with."""

from __future__ import annotations

import pytest

from killable import Uninterrupted, outcome, small_fit
from small_table import polytask


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Uninterrupted:
    folder = tmp_path_factory.mktemp("uninterrupted")
    options = small_fit(folder / "table.csv", steps=10)
    result = polytask(*options, "--out", folder / "run")
    assert result.exit_code == 0, result.output
    return Uninterrupted(folder / "table.csv", options, outcome(folder / "run"))
