"""The demo's table, and that the demo overwrites nothing. The whole demo takes minutes: ``make demo`` runs it."""

from __future__ import annotations

from pathlib import Path

from polytask.comparison.datasets.digits import TARGETS, write_demo_table
from polytask.data import infer_tasks, read_table
from small_table import assert_refused, polytask


def test_demo_table_has_eight_targets_of_three_kinds(tmp_path: Path) -> None:
    write_demo_table(tmp_path / "digits.csv")
    table = read_table(tmp_path / "digits.csv")
    assert table.num_rows == 1797 and table.num_columns == 32 + len(TARGETS)
    tasks = infer_tasks(table, where="digits", targets=TARGETS)
    assert [task.kind for task in tasks] == ["multiclass", *["binary"] * 4, *["regression"] * 2, "binary"]


def test_demo_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    assert_refused(polytask("demo", "--out", tmp_path), str(tmp_path), "exists", "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
