"""Weights per sample, and per sample and task: in the mean losses of training, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

import polytask as pt
from polytask.distillation.soft_labels import SoftLabels
from polytask.errors import UserError
from polytask.models.heads import group_tasks
from polytask.training.fit import labelled_rows
from polytask.training.objective import Objective
from small_table import assert_refused, fit, polytask, table_rows, write_table

TASKS = [pt.Task("a"), pt.Task("b", kind="regression"), pt.Task("c")]
GENERATOR = torch.Generator().manual_seed(0)
OUTPUTS = [torch.randn(6, 2, generator=GENERATOR), torch.randn(6, 1, generator=GENERATOR)]
ROWS = pt.Rows(
    torch.zeros(6, 1),
    torch.tensor([[1.0, 0.3, 0.0], [0, -1, 1], [1, 0, 0], [0, 2, 1], [1, 0.5, 1], [0, 0, 0]]),
    torch.tensor([[True, True, False]] + [[True, True, True]] * 4 + [[False, True, True]]),
)


def losses(rows: pt.Rows, outputs: list[Tensor], soft: SoftLabels | None = None) -> pt.balancing.TaskLosses:
    objective = Objective(group_tasks(TASKS), 3)
    if soft is not None:
        objective.use_soft_labels(0, soft)
    return objective(outputs, rows[torch.arange(len(rows))])


def repeated(times: list[int]) -> tuple[pt.Rows, list[Tensor], Tensor]:
    ids = torch.repeat_interleave(torch.arange(6), torch.tensor(times))
    return ROWS.subset(ids), [output[ids] for output in OUTPUTS], ids


@pytest.mark.parametrize("teacher", [False, True])
def test_a_weight_of_two_is_a_row_twice(teacher: bool) -> None:
    times, logits = [2, 1, 3, 0, 1, 1], torch.linspace(-2, 2, 6)
    rows, outputs, ids = repeated(times)
    expected = losses(rows, outputs, SoftLabels(logits[ids]) if teacher else None)
    weighted = ROWS.with_weights(torch.tensor(times, dtype=torch.float32))
    found = losses(weighted, OUTPUTS, SoftLabels(logits) if teacher else None)
    torch.testing.assert_close(found.means, expected.means)
    torch.testing.assert_close(found.counts, expected.counts)


def test_weights_per_sample_and_task() -> None:
    weights = torch.ones(6, 3)
    weights[:, 1] = torch.tensor([0.5, 0, 0, 0, 0, 1.5]) * 0.01  # the scale does not matter
    weights[:, 2] = 0
    found = losses(ROWS.with_weights(weights), OUTPUTS)
    plain = losses(ROWS, OUTPUTS)
    torch.testing.assert_close(found.means[0], plain.means[0])
    elements = TASKS[1].definition.loss(OUTPUTS[1][:, 0], ROWS.targets[:, 1])
    torch.testing.assert_close(found.means[1], (elements[0] * 0.5 + elements[5] * 1.5) / 2)
    assert found.present.tolist() == [True, True, False] and not found.complete


@pytest.mark.parametrize("single", [True, False])
def test_a_task_whose_labels_all_weigh_nothing_is_refused(single: bool) -> None:
    weights = torch.ones(len(ROWS), 3)
    weights[:, 1:] = 0
    message = "all labels of .*, .*, .* have the weight 0" if single else "all labels of [^,]*, [^,]* have the weight 0"
    with pytest.raises(UserError, match=message):
        labelled_rows(ROWS.with_weights(torch.zeros(len(ROWS)) if single else weights), TASKS, "train")


def test_weights_follow_their_rows() -> None:
    rows = ROWS.with_weights(torch.arange(18.0).view(6, 3))
    part = rows.subset(torch.tensor([4, 1])).only_tasks([2, 0])
    assert part.weights is not None and part.weights.tolist() == [[14.0, 12.0], [5.0, 3.0]]


def test_wrong_weights() -> None:
    for weights, message in [
        (torch.ones(5), r"expected shape \[6\] or \[6, 3\]"),
        (-torch.ones(6), "at least 0"),
        (torch.full((6,), torch.inf), "finite"),
    ]:
        with pytest.raises(pt.UserError, match=message):
            ROWS.with_weights(weights)


def run(folder: Path, name: str, rows: list[dict[str, object]], *options: object) -> dict[str, object]:
    table = write_table(folder / f"{name}.csv", rows)
    result = fit(table, folder / name, "--networks", 1, "--no-baselines", *options)
    assert result.exit_code == 0, result.output
    return json.loads((folder / name / "results.json").read_text())["tasks"]


def test_fit_takes_a_column(tmp_path: Path) -> None:
    plain = table_rows(120)
    weighted = [{**row, "trust": 0.25, "care": int(row["rank"])} for row in plain]
    expected = run(tmp_path, "plain", plain)
    same = run(tmp_path, "same", weighted, "--set", "sample_weight=trust", "--ignore", "care")
    other = run(tmp_path, "other", weighted, "--set", "sample_weight={price: care}", "--ignore", "trust")
    assert {name: task["test"] for name, task in same.items()} == pytest.approx(
        {name: task["test"] for name, task in expected.items()}, rel=1e-3
    )
    assert polytask("evaluate", tmp_path / "same", tmp_path / "plain.csv").exit_code == 0  # without the column
    assert other["price"]["test"] != pytest.approx(expected["price"]["test"], rel=1e-3)


@pytest.mark.parametrize(
    ("cell", "option", "message"),
    [
        (-1, "trust", "expected numbers of at least 0, found -1 in row 4"),
        ("", "trust", "found an empty cell in row 4"),
        ("inf", "trust", "found inf, more than single precision holds, in row 4"),
        (1, "price", "column 'price' is listed as target and as sample weight; keep one of these"),
        (1, "trst", "there is no column 'trst' (sample weight); did you mean 'trust'"),
        (1, "{prise: trust}", "'prise' is not a target; did you mean 'price'"),
    ],
)
def test_wrong_columns(cell: object, option: str, message: str, tmp_path: Path) -> None:
    rows = [{**row, "trust": cell if number == 3 else 1} for number, row in enumerate(table_rows(60))]
    table = write_table(tmp_path / "table.csv", rows)
    assert_refused(fit(table, tmp_path / "run", "--set", f"sample_weight={option}"), message)


def test_two_processes_take_the_mean_over_the_weights_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ROWS.with_weights(torch.tensor([2.0, 0.5, 1.0, 0.0, 3.0, 0.25]))
    whole = losses(rows, OUTPUTS)
    halves = [torch.arange(0, 4), torch.arange(4, 6)]
    shares: list[Tensor] = []
    monkeypatch.setattr("polytask.training.objective.world_size", lambda: 2)
    monkeypatch.setattr("polytask.training.objective.sum_over_processes", lambda local: shares.append(local) or local)
    for ids in halves:
        losses(rows.subset(ids), [output[ids] for output in OUTPUTS])
    monkeypatch.setattr("polytask.training.objective.sum_over_processes", lambda local: shares[0] + shares[1])
    parts = [losses(rows.subset(ids), [output[ids] for output in OUTPUTS]) for ids in halves]
    for part in parts:
        torch.testing.assert_close(part.means, whole.means)
        torch.testing.assert_close(part.counts, whole.counts)
    torch.testing.assert_close((parts[0].values + parts[1].values) / 2, whole.values)
