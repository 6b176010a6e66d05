"""What is not finite is refused where it enters, in every form of input."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from polytask import MultiTaskModel, Rows, Task, TrainingSettings, UserError, fit, measure_affinity
from polytask.training import train_teachers
from small_training import TASKS, make_model, make_rows, small_settings

BAD = [math.nan, math.inf, -math.inf]


def spoiled(value: float, row: int = 7) -> torch.Tensor:
    inputs = make_rows().inputs.clone()
    inputs[row, 2] = value
    return inputs


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("form", [lambda x: x, lambda x: {"a": x}, lambda x: (x, x), lambda x: {"a": {"b": [x]}}])
def test_inputs(value: float, form: Any) -> None:
    rows = make_rows()
    bad = Rows(form(spoiled(value)), rows.targets, rows.observed)
    for parts in ({"train": bad, "validation": rows}, {"train": rows, "validation": bad}):
        what = "train" if parts["train"] is bad else "validation"
        with pytest.raises(UserError, match=rf"{what}: inputs.* hold -?(nan|inf) in row 7 \(1 of 96"):
            fit(make_model(), **parts, settings=small_settings())


def test_integers_and_labels_without_a_value_are_fine() -> None:
    x = torch.randint(0, 3, (40, 4))
    labels = torch.where(torch.rand(40) < 0.5, math.nan, x[:, 0].float())
    task = Task("sum", kind="regression")
    model = MultiTaskModel(torch.nn.Sequential(torch.nn.Embedding(3, 4), torch.nn.Flatten()), [task], features=16)
    fit(model, train=(x, {"sum": labels}), validation=(x, {"sum": labels}), settings=TrainingSettings(steps=2))


@pytest.mark.parametrize("value", BAD[1:])
def test_infinite_labels(value: float) -> None:
    rows = make_rows()
    labels = {"price": torch.cat([torch.zeros(95), torch.tensor([value])])}
    with pytest.raises(UserError, match="infinite"):
        Rows.from_labels(rows.inputs, labels, TASKS)
    with pytest.raises(UserError, match="infinite"):
        Rows.from_matrix(rows.inputs, torch.full((96, 4), value))
    rows.targets[3, 1] = value
    with pytest.raises(UserError, match="train: targets hold"):
        fit(make_model(), train=rows, validation=make_rows(), settings=small_settings())


def test_affinity_and_teachers() -> None:
    rows = make_rows()
    bad = Rows(spoiled(math.nan), rows.targets, None)
    with pytest.raises(UserError, match="row 7"):
        measure_affinity(make_model(), train=bad, settings=small_settings())
    with pytest.raises(UserError, match="inputs hold nan"):
        train_teachers(lambda task: make_model([task]), TASKS, train=bad, validation=rows, settings=small_settings())
