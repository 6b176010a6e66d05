"""Transformations of numbers and bounds: there and back again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

import polytask as pt
from polytask.task import Task
from polytask.task.training_units import bounded, in_training_units
from polytask.task.units import TRANSFORMS, heavy_tailed
from polytask.training.evaluation import task_estimate, task_metric

NUMBERS = st.lists(st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3)), min_size=2, max_size=60)
TAIL = np.random.default_rng(0).lognormal(1, 2, 400)


def fitted(name: str, values: np.ndarray, **options: float) -> Task:
    return bounded(in_training_units(Task("y", kind="regression", transform=name, **options), values), values)


@pytest.mark.parametrize("name", TRANSFORMS)
@given(values=NUMBERS, other=NUMBERS)
def test_the_inverse_brings_every_number_back_and_order_is_kept(
    name: str, values: list[float], other: list[float]
) -> None:
    task = fitted(name, np.array(values), low=-np.inf)
    numbers = torch.tensor(sorted({*values, *other}), dtype=torch.float64)
    trained = task.trained(numbers)
    assert torch.allclose(task.in_units(trained), numbers, rtol=1e-6, atol=1e-6 * float(numbers.abs().max()) + 1e-9)
    if name == "log" or len(set(values)) > 1:
        assert bool((trained.diff() > 0).all())


def test_labels_on_a_transformed_scale_are_standardised() -> None:
    for name in TRANSFORMS:
        trained = fitted(name, TAIL).trained(torch.from_numpy(TAIL))
        assert abs(float(trained.mean())) < 1e-6 and float(trained.std(correction=0)) == pytest.approx(1, abs=1e-6)
        assert float(trained.max()) < ((TAIL - TAIL.mean()) / TAIL.std()).max() / 2  # the tail is taken in


def test_auto_takes_the_logarithm_of_heavy_tails_alone() -> None:
    normal = np.random.default_rng(0).normal(100, 1, 400)
    assert heavy_tailed(TAIL) and not heavy_tailed(normal) and not heavy_tailed(TAIL[:20])
    assert fitted("auto", TAIL).transform == "log" and fitted("auto", normal).transform == ""


def test_bounds_follow_from_labels_unless_they_are_given() -> None:
    assert fitted("", TAIL).low == 0 and fitted("", TAIL - 5).low is None
    assert fitted("", TAIL[:10]).low is None  # too few to say
    assert fitted("", TAIL, low=-np.inf).low is None
    given = fitted("", TAIL, low=1.0, high=3.0)
    assert given.in_units(torch.tensor([-9.0, 0.0, 9.0])).tolist() == [1.0, pytest.approx(3.0), 3.0]
    outputs = given.definition.predict(torch.tensor([-9.0, 9.0]))
    assert given.in_units(outputs).tolist() == [1.0, 3.0]


def test_metrics_are_of_the_predictions_in_units_of_the_labels() -> None:
    task = fitted("log", TAIL)
    stored = task.trained(torch.from_numpy(TAIL)).float()
    outputs = stored + 0.1
    predicted = task.in_units(outputs).numpy()
    expected = 1 - ((predicted - TAIL) ** 2).sum() / ((TAIL - TAIL.mean()) ** 2).sum()
    assert task_metric(task, outputs, stored) == pytest.approx(expected, rel=1e-5)
    error = task_estimate(task, outputs, stored, metric="mae")
    assert error.value == pytest.approx(np.abs(predicted - TAIL).mean(), rel=1e-5)


def test_standardise_fits_the_transformation_in_python() -> None:
    tasks = [Task("y", kind="regression", transform="log")]
    (task,) = pt.standardise(tasks, (torch.zeros(400, 1), {"y": torch.from_numpy(TAIL)}))
    assert task.parameters == (pytest.approx(float(np.median(TAIL)), rel=1e-4),)
    rows = pt.Rows.from_labels(torch.zeros(400, 1), {"y": torch.from_numpy(TAIL)}, [task])
    assert abs(float(rows.targets.mean())) < 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "regression", "transform": "logg"}, "unknown 'logg'; did you mean 'log'"),
        ({"kind": "binary", "transform": "log"}, "transform: is of targets that are numbers"),
        ({"kind": "binary", "low": 0.0}, "low: is of targets that are numbers"),
        ({"kind": "regression", "low": 2.0, "high": 1.0}, "the lower one has to be below"),
        ({"kind": "regression", "threshold": 0.2}, "threshold: applies to two classes"),
        ({"threshold": 1.5}, "more than 0 and less than 1"),
        ({"kind": "regression", "class_weights": "balanced"}, "has no classes that rows could be weighted by"),
        ({"class_weights": (1.0,)}, "expected 2 numbers, found 1"),
        ({"class_weights": (1.0, 0.0)}, "more than 0 and finite"),
        ({"class_weights": "balance"}, "expected balanced or a number for every class"),
        ({"gamma": 1.0}, "gamma: needs the focal loss"),
        ({"losses": {"focal": 1}, "gamma": -1.0}, "gamma: must be at least 0"),
        ({"also": ("brier", "brier")}, "metrics repeat"),
        ({"also": ("r2",)}, "metric 'r2' does not fit a binary task"),
    ],
)
def test_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(pt.UserError, match=message):
        Task("a", **options)


class Served(torch.nn.Module):
    """What an exported file does with the outputs of two networks."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        return self.task.in_units(self.task.definition.mean_prediction([outputs, outputs + 1]))


@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("name", ["", *TRANSFORMS])
def test_bounds_on_every_scale_hold_for_the_mean_and_can_be_exported(name: str, temperature: float) -> None:
    task = replace(fitted(name, TAIL, low=1.0, high=3.0), temperature=temperature)
    outputs = torch.linspace(-9, 9, 19)
    exported = torch.export.export(Served(task), (outputs,)).module()
    assert torch.equal(exported(outputs), Served(task)(outputs))
    low, high = task.trained(torch.tensor([1.0, 3.0])).tolist()
    mean = task.definition.mean_prediction([outputs, outputs + 1])
    assert float(mean.min()) == pytest.approx(low) and float(mean.max()) == pytest.approx(high)


class Clamps(TorchDispatchMode):
    """The devices of what is clamped and of its bounds."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "clamp" in str(function):
            self.devices = {value.device.type for value in (*args, *(kwargs or {}).values()) if torch.is_tensor(value)}
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("low", "high"), [(1.0, None), (1.0, 3.0)])
def test_bounds_are_where_the_outputs_are(low: float, high: float | None) -> None:
    """A GPU refuses bounds on the processor."""
    definition = fitted("log", TAIL, low=low, **({} if high is None else {"high": high})).definition
    outputs = torch.empty(4, device="meta")
    for predict in (definition.predict, lambda one: definition.mean_prediction([one, one])):
        with Clamps() as clamps:
            assert predict(outputs).dtype == torch.float32
        assert clamps.devices == {"meta"}
