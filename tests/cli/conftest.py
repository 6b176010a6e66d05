"""One fitted run for all tests of the commands."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from small_table import fit, table_rows, write_table

#: By validation two networks are served of the small table with so many bins, which several tests need.
TWO_NETWORKS = ("--networks", 2, "--set", "model.numbers={name: piecewise, bins: 32}")


class Fitted(NamedTuple):
    """A run, the table it was made from, what the command said, and its options."""

    run: Path
    data: Path
    result: Any
    options: tuple[Any, ...] = TWO_NETWORKS


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp("fitted")
    data = write_table(folder / "table.csv", table_rows())
    result = fit(data, folder / "run", *TWO_NETWORKS)
    assert result.exit_code == 0, result.output
    return Fitted(folder / "run", data, result)


@pytest.fixture
def run_copy(fitted: Fitted, tmp_path: Path) -> Path:
    """A copy of the run to damage."""
    return Path(shutil.copytree(fitted.run, tmp_path / "run"))
