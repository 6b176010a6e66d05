"""What cannot be trained or chosen is refused before anything is written, not after the first training."""

from __future__ import annotations

from pathlib import Path

import pytest

from small_table import assert_refused, fit, table_rows, write_table

TARGETS = ("click", "size", "price")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("refused") / "table.csv", table_rows(60))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--set", "freeze=encoder"), "every shared parameter is frozen"),
        (("--set", "freeze={part: encoder, until: 0.5}"), "networks: 1"),
        (("--max-size", 2, "--max-cost", 2), "1 networks of at most 2 tasks cannot serve 3 tasks"),
        (("--networks", 2, "--apart", "click,size,price"), "2 networks cannot serve all tasks"),
        (("--set", "convergence.soft_loss=l1", "--ignore", "price,rank"), "'l1' fits no task of kind binary"),
        (("--set", "affinity.estimator=factored", "--set", "accumulate=2"), "factored does not fit: the encoder is"),
        (("--set", "affinity.estimator=factored", "--set", "encoder=ft_transformer"), "hold 79% of the encoder"),
    ],
)
def test_nothing_is_written(table: Path, tmp_path: Path, options: tuple[object, ...], words: str) -> None:
    targets = TARGETS[:2] if "--ignore" in options else TARGETS
    assert_refused(fit(table, tmp_path / "run", *options, targets=targets), words)
    assert not (tmp_path / "run").exists()


def test_columns_of_predictions_that_would_have_one_name(tmp_path: Path) -> None:
    rows = [row | {"click_p_yes": row["price"]} for row in table_rows(60)]
    table = write_table(tmp_path / "table.csv", rows)
    result = fit(table, tmp_path / "run", targets=("click", "click_p_yes"))
    assert_refused(result, "would have the same name: 'click_p_yes'", "rename")
    assert not (tmp_path / "run").exists()


def test_what_fits_some_tasks_is_left_out_in_networks_of_the_others(table: Path, tmp_path: Path) -> None:
    options = ("--steps", 4, "--networks", "single_task", "--no-baselines", "--set", "convergence.soft_loss=l1")
    result = fit(table, tmp_path / "run", *options, "--set", "model.hidden=[4]", targets=TARGETS)
    assert result.exit_code == 0, result.output
