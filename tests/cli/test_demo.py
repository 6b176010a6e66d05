"""The demo's tables, its sentence, and that it overwrites nothing. The whole demo takes a minute: ``make demo``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inferred import infer_tasks
from polytask.cli.demo import lesson
from polytask.comparison.datasets.digits import TARGETS, TRAIN, VALIDATION, write_demo_table, write_few_labels
from polytask.data import read_table
from polytask.reporting.outcome import Tally
from small_table import assert_refused, polytask


def test_demo_table_has_eight_targets_of_three_kinds(tmp_path: Path) -> None:
    write_demo_table(tmp_path / "digits.csv")
    table = read_table(tmp_path / "digits.csv")
    assert table.num_rows == 1797 and table.num_columns == 32 + len(TARGETS)
    tasks = infer_tasks(table, where="digits", targets=TARGETS)
    assert [task.kind for task in tasks] == ["multiclass", *["binary"] * 4, *["regression"] * 2, "binary"]


@pytest.mark.parametrize("seed", [0, 1])
def test_images_to_learn_from_have_one_label_and_the_others_all(tmp_path: Path, seed: int) -> None:
    write_demo_table(tmp_path / "all.csv")
    write_few_labels(tmp_path / "few.csv", seed)
    every, few = read_table(tmp_path / "all.csv"), read_table(tmp_path / "few.csv")
    part = np.array(few["part"].to_pylist())
    known = np.array([[value not in (None, "") for value in few[name].to_pylist()] for name in TARGETS])
    learned = part != "test"
    assert [(part == name).sum() for name in ("train", "validation", "test")] == [TRAIN, VALIDATION, 497]
    assert (known[:, learned].sum(0) == 1).all() and known[:, ~learned].all()
    assert (known[:, part == "train"].sum(1) > 100).all() and (known[:, part == "validation"].sum(1) > 20).all()
    for own, name in zip(known, TARGETS, strict=True):
        labels, shown = every[name].to_pylist(), few[name].to_pylist()
        assert all(str(shown[row]) == str(labels[row]) for row in np.flatnonzero(own))


@pytest.mark.parametrize(
    ("better", "worse", "begin"), [(5, 0, "learn related targets in one network"), (1, 2, "sharing gained nothing")]
)
def test_the_sentence_states_what_was_found(better: int, worse: int, begin: str) -> None:
    single = Tally("single-task models", better, 8 - better - worse, worse, None)
    sentence = lesson([single, Tally("one plain network for all", 0, 7, 1, None)])
    assert sentence.startswith(f"In short: {begin}")
    assert f"better in {better} of 8 and worse in {worse}, beyond chance" in sentence
    assert sentence.endswith("better in 0 and worse in 1.")


def test_demo_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    assert_refused(polytask("demo", "--out", tmp_path), str(tmp_path), "exists", "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
