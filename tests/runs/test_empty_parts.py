"""A part may hold no label of a task: everything finishes, and says null."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from small_table import TARGETS, fit, polytask, table_rows, write_table

#: Two networks, both baselines, and evaluations enough for a curve.
OPTIONS = ("--networks", "2", "--split", "part", "--set", "model.hidden=[8]", "--set", "evaluate_every=10",
           "--balance", "pcgrad")  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``click`` has no label in test, ``price`` none in validation and test."""
    rows = table_rows(240)
    for number, row in enumerate(rows):
        row["part"] = ("train", "train", "train", "validation", "test")[number % 5]
        if row["part"] == "test":
            row["click"] = ""
        if row["part"] != "train":
            row["price"] = ""
    return write_table(tmp_path_factory.mktemp("parts") / "table.csv", rows)


@pytest.fixture(scope="module")
def run(table: Path) -> Path:
    result = fit(table, table.parent / "run", *OPTIONS)
    assert result.exit_code == 0, result.output
    assert "'click' has no label in the test rows" in result.stderr
    assert "'price' has no label in the validation rows" in result.stderr
    return table.parent / "run"


def test_results_are_null_where_nothing_can_be_measured(run: Path) -> None:
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    click, price, size = (results["tasks"][name] for name in ("click", "price", "size"))
    assert click["test"] is price["test"] is price["validation"] is price["peak"] is None
    assert click["validation"] is not None and size["test"] is not None
    assert results["baselines"]["single_task"]["price"] == {
        "validation": None, "test": None, "gain_interval": None
    }  # fmt: skip
    assert "no defined value" in (run / "report.html").read_text(encoding="utf-8")


def test_all_commands_cope(run: Path, table: Path, tmp_path: Path) -> None:
    few = write_table(tmp_path / "few.csv", [row | {"price": "", "part": "test"} for row in table_rows(30)])
    commands = (
        ("report", run, "--figures", tmp_path / "figures"),
        ("doctor", run),
        ("predict", run, few, "--out", tmp_path / "p.csv"),
        ("evaluate", run, few, "--json"),
        ("fit", "--out", run, "--resume", "--quiet"),
    )
    for command in commands:
        result = polytask(*command)
        assert result.exit_code == 0, (command, result.output)
    evaluated = polytask("evaluate", run, few, "--json")
    assert json.loads(evaluated.stdout)["tasks"]["price"] == {
        "metric": "r2", "direction": "max", "value": None, "interval": None, "labels": 0,
    }  # fmt: skip


@pytest.mark.parametrize("options", [("--distill", "scd"), ("--converge", "sequential"), ("--networks", "auto")])
def test_every_way_of_training_copes(table: Path, tmp_path: Path, options: tuple[str, str]) -> None:
    result = fit(table, tmp_path / "run", *OPTIONS, *options)
    assert result.exit_code == 0, result.output


def test_tasks_without_labels_can_be_added(run: Path, table: Path, tmp_path: Path) -> None:
    result = polytask("fit", table, "--from", run, "--targets", "rank,price", "--split", "part", "--out",
                      tmp_path / "more", "--steps", 20, "--set", "threads=1")  # fmt: skip
    assert result.exit_code == 0, result.output


def test_what_fails_after_the_trainings_loses_nothing(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def broken(*_: object) -> None:
        raise ZeroDivisionError("drawn by zero")

    with monkeypatch.context() as patched:
        patched.setattr("polytask.runs.outcome.totals_of", broken)
        result = fit(table, out, *OPTIONS, "--no-baselines", targets=TARGETS[:2])
    assert result.exit_code == 1 and "--resume" in result.stderr and "drawn by zero" in result.stderr
    with monkeypatch.context() as patched:
        patched.setattr("polytask.runs.resumed.write_report", broken)
        result = polytask("fit", "--out", out, "--resume")
    assert result.exit_code == 1 and f"polytask report {out}" in " ".join(result.stderr.split())
    assert polytask("predict", out, table, "--out", tmp_path / "p.csv").exit_code == 0
    assert polytask("report", out).exit_code == 0 and (out / "report.html").exists()


def test_a_class_with_one_row_stops_nothing(tmp_path: Path) -> None:
    rows = [row | {"odd": int(number == 7)} for number, row in enumerate(table_rows(60))]
    table = write_table(tmp_path / "t.csv", rows)
    options = (
        "--networks",
        1,
        "--ignore",
        "rank,price,click",
        "--set",
        "model.hidden=[4]",
        "--set",
        "evaluate_every=20",
    )
    result = fit(table, tmp_path / "run", *options, targets=("size", "odd"))
    assert result.exit_code == 0, result.output
    assert "'odd': class '1' has a single row" in result.stderr
    odd = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["tasks"]["odd"]
    assert odd["validation"] is odd["test"] is None
