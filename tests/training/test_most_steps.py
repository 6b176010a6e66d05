"""A training in which a target still improves goes on beyond its steps; others end as they did."""

from __future__ import annotations

import pytest
import torch

import polytask as pt


def trained(learning_rate: float = 1e-3, **settings: object) -> pt.TrainingResult:
    torch.manual_seed(0)
    x = torch.randn(256, 4)
    model = pt.MultiTaskModel(torch.nn.Linear(4, 8), [pt.Task("sum", kind="regression")])
    asked = pt.TrainingSettings(evaluate_every=10, batch_size=32, patience=3, learning_rate=learning_rate, **settings)  # type: ignore[arg-type]
    return pt.fit(model, train=(x, {"sum": x.sum(1)}), validation=(x, {"sum": x.sum(1)}), settings=asked)


@pytest.mark.parametrize(("most", "done"), [(None, 40), (120, 120)])
def test_what_still_improves_goes_on_to_the_most_steps(most: int | None, done: int) -> None:
    assert trained(steps=40, most_steps=most).steps == done


def test_what_has_stalled_ends_before() -> None:
    assert trained(learning_rate=0.1, steps=40, most_steps=4000).steps < 1000


@pytest.mark.parametrize(
    ("given", "times"), [({}, 4), ({"steps": 500}, 1), ({"epochs": 3}, 1), ({"schedule": "cosine"}, 1)]
)
def test_only_the_default_number_of_steps_is_extended(given: dict[str, object], times: int) -> None:
    resolved = pt.TrainingSettings(**given).resolve(5000)  # type: ignore[arg-type]
    assert resolved.most_steps == times * (resolved.steps or 0)
    assert resolved.resolve(5000) == resolved
