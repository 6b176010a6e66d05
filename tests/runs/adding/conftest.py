"""A finished run with one network, one with two, and a later table without some of the old targets."""

from __future__ import annotations

import pytest

from adding import Earlier
from small_table import polytask, table_rows, write_table

OLD = ("key", "a", "b", "c", "colour", "note", "click", "size", "price")
LATER = ("key", "a", "b", "c", "colour", "note", "click", "rank")
SETTINGS = ("threads=1", "evaluate_every=4", "model.hidden=[16,8]", "convergence.patience=2")
SMALL = ("--id", "key", "--steps", "40", "--no-baselines", "--quiet", *(f"--set={setting}" for setting in SETTINGS))


@pytest.fixture(scope="session")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Earlier:
    folder = tmp_path_factory.mktemp("earlier")
    old = write_table(folder / "old.csv", table_rows(240), OLD)
    later = write_table(folder / "later.csv", table_rows(200, seed=1), LATER)
    targets = ("--targets", "click,size,price")
    for name, options in (
        ("one", ("--networks", "1")),
        ("two", ("--grouping", "given", "--groups", "click;size,price")),
    ):
        result = polytask("fit", old, *targets, "--out", folder / name, *SMALL, *options)
        assert result.exit_code == 0, result.output
    return Earlier(folder / "one", folder / "two", old, later)
