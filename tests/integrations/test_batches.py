"""What a loop may give, and mistakes that everybody makes once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from polytask import Task, UserError
from polytask.integrations import KeptPeaks

X = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
TARGETS = {"a": (X[:, 0] > 0).float(), "b": X[:, 1]}
IDS = torch.arange(40)
TASKS = [Task("a"), Task("b", "regression")]


def _outputs(model: nn.Module) -> dict[str, torch.Tensor]:
    return dict(zip(TARGETS, model(X).unbind(1), strict=True))


def _peaks(infer: Callable[..., Any] = lambda model, task: _outputs(model)[task]) -> KeptPeaks:
    return KeptPeaks(TASKS, infer, patience=1, min_evaluations=0, teachers=1)


def _held() -> tuple[KeptPeaks, nn.Module]:
    """Both tasks have converged, and the model is their teacher."""
    peaks, model = _peaks(), nn.Linear(4, 2)
    peaks.losses(_outputs(model), TARGETS, IDS)
    for step, value in enumerate([0.6, 0.9, 0.8, 0.7]):
        peaks.update(step, {"a": value, "b": value}, model)
    assert set(peaks.soft) == {"a", "b"}
    return peaks, model


def test_ids_come_in_any_form() -> None:
    peaks, model = _held()
    for ids in (IDS[:, None], IDS.int(), IDS.tolist(), IDS.numpy()):
        assert all(loss.item() == pytest.approx(0, abs=1e-6)
                   for loss in peaks.losses(_outputs(model), TARGETS, ids).values())  # fmt: skip


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (IDS + 1, "found the id 40, and infer gave outputs for 40 training rows; .* from 0 to 39"),
        (IDS - 1, "found the id -1"),
        (IDS.float(), r"as whole numbers, found torch.float32 \[40\]"),
        (IDS[:20], "20 ids for 40 rows of 'a'"),
    ],
)
def test_ids_that_are_no_positions_are_refused(ids: Any, message: str) -> None:
    peaks, model = _held()
    with pytest.raises(UserError, match=message):
        peaks.losses(_outputs(model), TARGETS, ids)


def test_targets_come_in_any_form() -> None:
    peaks, model = _peaks(), nn.Linear(4, 2)
    expected = peaks.losses(_outputs(model), TARGETS)
    columns = {name: values[:, None] for name, values in TARGETS.items()}
    for targets in (columns, {name: values.numpy() for name, values in TARGETS.items()},
                    {"a": TARGETS["a"].bool(), "b": TARGETS["b"].double()}):  # fmt: skip
        torch.testing.assert_close(peaks.losses(_outputs(model), targets), expected)


@pytest.mark.parametrize(
    ("task", "target", "message"),
    [
        (Task("a"), torch.arange(4.0), "binary task; expected targets from 0 to 1, NaN or -100 for no label, found 3"),
        (Task("a", "multiclass", classes=("x", "y")), torch.tensor([0, 1, 2, -100]), "from 0 to 1, .*found 2"),
        (Task("a", "multiclass", classes=("x", "y")), torch.zeros(4, 2), r"shape \[B\] .*found \[4, 2\]"),
        (Task("a", "multilabel", classes=("x", "y")), torch.full((4, 2), -1.0), "from 0 to 1, .*found -1"),
    ],
)
def test_targets_that_are_none_of_the_task_are_refused(task: Task, target: torch.Tensor, message: str) -> None:
    peaks, outputs = KeptPeaks([task], lambda model, name: X), torch.zeros(4, 2)
    with pytest.raises(UserError, match=message):
        peaks.losses({"a": outputs[:, 0] if task.kind == "binary" else outputs}, {"a": target})


def test_numbers_may_be_minus_hundred() -> None:
    peaks = KeptPeaks([Task("a", "dense")], lambda model, name: X)
    assert peaks.losses({"a": torch.zeros(2, 3)}, {"a": torch.full((2, 3), -100.0)})["a"] == 100


@pytest.mark.parametrize("given", [X, {"a": X[:, 0].numpy()}])
def test_outputs_are_tensors_by_task(given: Any) -> None:
    with pytest.raises(UserError, match=r"expected outputs by task name|expected a tensor, found ndarray"):
        _peaks().losses(given, TARGETS)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "found NoneType"),
        (np.zeros(40), "found ndarray"),
        (torch.zeros(()), r"found \[\]"),
        (torch.zeros(40, 2), r"infer\(model, 'a'\): expected a tensor \[n\], .*found \[40, 2\]"),
        (torch.zeros(20), "found 20 rows, and the id 39 in a batch"),
    ],
)
def test_what_is_inferred_is_checked_at_the_first_evaluation(found: Any, message: str) -> None:
    peaks, model = _peaks(lambda model, task: found), nn.Linear(4, 2)
    peaks.losses(_outputs(model), TARGETS, IDS)
    with pytest.raises(UserError, match=message):
        peaks.update(1, {"a": 0.6, "b": 0.6}, model)


def test_probabilities_instead_of_outputs_are_noticed() -> None:
    peaks, model = _peaks(), nn.Linear(4, 2)
    for _ in range(2):
        peaks.losses({name: values.sigmoid() for name, values in _outputs(model).items()}, TARGETS, IDS)
    with pytest.warns(UserWarning, match="all outputs of a were from 0 to 1; give raw outputs"):
        peaks.update(1, {"a": 0.6, "b": 0.6}, model)
    peaks = _peaks()
    peaks.losses(_outputs(model), TARGETS, IDS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        peaks.update(1, {"a": 0.6, "b": 0.6}, model)


def test_metrics_that_are_no_numbers_are_noticed() -> None:
    peaks, model = _peaks(), nn.Linear(4, 2)
    with pytest.raises(UserError, match="metric of 'a': expected a number or an Estimate, found None"):
        peaks.update(1, {"a": None, "b": 0.1}, model)  # type: ignore[dict-item]
    peaks.update(1, {"a": float("nan"), "b": 0.1}, model)
    with pytest.warns(UserWarning, match="no metric so far for a"):
        peaks.update(2, {"a": float("nan"), "b": 0.1}, model)


def test_the_state_of_other_tasks_is_refused() -> None:
    state = _held()[0].state_dict()
    with pytest.raises(UserError, match="that of tasks a, b, these are b, c"):
        KeptPeaks([TASKS[1], Task("c")], lambda model, task: X).load_state_dict(state)


def test_weights_of_classes_are_not_left_out_in_silence() -> None:
    with pytest.raises(UserError, match="task 'a': class_weights are not applied by KeptPeaks"):
        KeptPeaks([Task("a", class_weights=(1.0, 3.0))], lambda model, name: X)
