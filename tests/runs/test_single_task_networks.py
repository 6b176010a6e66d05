"""One network for each target, and a run that leaves the test split alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polytask.config import Config, make_config
from polytask.runs import fit_run
from small_table import TARGETS, table_rows, write_table


def config(table: Path, **values: Any) -> Config:
    fast = {"targets": TARGETS, "id": "key", "steps": 30, "batch_size": 32, "converge": "off"}
    return make_config({"data": str(table), **fast, **values})


@pytest.mark.slow
def test_is_the_single_task_baseline(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.csv", table_rows(200))
    single = fit_run(config(table, networks="single_task", baselines=False), tmp_path / "single")
    plain = fit_run(config(table, networks=1), tmp_path / "plain")
    assert {name: entry["network"] for name, entry in single["tasks"].items()} == {t: k for k, t in enumerate(TARGETS)}
    for name, entry in plain["baselines"]["single_task"].items():
        assert single["tasks"][name]["test"] == entry["test"]


def test_a_search_does_not_read_the_test_split(tmp_path: Path) -> None:
    """The labels of the test split are garbage here, and nobody notices."""
    rows = table_rows(200)
    for number, row in enumerate(rows):
        row["part"] = ("train", "validation", "test")[0 if number < 140 else 1 + (number >= 170)]
    table = write_table(tmp_path / "table.csv", rows)
    for row in rows[170:]:
        row["rank"] = 4 - row["rank"]
    other = write_table(tmp_path / "other.csv", rows)
    values = {"networks": 1, "baselines": False, "split": "part"}
    found = []
    for name, data in (("a", table), ("b", other)):
        found.append(fit_run(config(data, **values), tmp_path / name, final_part="validation")["tasks"])
    assert found[0] == found[1]
    assert all(entry["test"] == pytest.approx(entry["validation"]) for entry in found[0].values())
