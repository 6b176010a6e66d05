"""Sums of losses are those of the steps one by one, whenever they are read."""

from __future__ import annotations

import torch

from polytask.balancing import TaskLosses
from polytask.training.loss_sums import TOGETHER, LossSums


def step(seed: int) -> TaskLosses:
    draw = torch.Generator().manual_seed(seed)
    means, counts = torch.rand(3, generator=draw), torch.randint(0, 3, (3,), generator=draw).float()
    return TaskLosses(means, means, counts, complete=bool(counts.all()))


def test_reading_changes_nothing() -> None:
    once, often, steps = LossSums(3), LossSums(3), [step(seed) for seed in range(2 * TOGETHER + 5)]
    for losses in steps:
        once.add(losses)
        often.add(losses)
        _ = often.values
    expected = sum(
        torch.stack([found.means * found.counts, found.counts, found.present.float()]).double() for found in steps
    )
    torch.testing.assert_close(once.values, expected)
    torch.testing.assert_close(often.values, expected)


def test_what_is_set_replaces_what_waits() -> None:
    sums = LossSums(3)
    sums.add(step(0))
    sums.values = torch.zeros(3, 3, dtype=torch.float64)
    assert not sums.values.any()
