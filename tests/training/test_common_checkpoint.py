"""Which evaluation is returned: shares of peaks, ranks, frozen peaks."""

import math

import pytest
import torch

from polytask import Task, UserError
from polytask.training import CommonCheckpoint, kept_share
from polytask.training.common_checkpoint import say_of
from polytask.uncertainty import BLOCKS, Estimate

CLICK, PRICE = Task("click"), Task("price", kind="regression", metric="rmse")
TRIVIAL = {"click": 0.5, "price": 2.0}


def checkpoint_after(*evaluations, **options) -> CommonCheckpoint:
    checkpoint = CommonCheckpoint((CLICK, PRICE), TRIVIAL)
    for step, values in enumerate(evaluations):
        checkpoint.update(step, dict(zip(TRIVIAL, values, strict=True)), **options)
    return checkpoint


@pytest.mark.parametrize(
    ("task", "value", "peak", "share"),
    [
        (CLICK, 0.75, 0.75, 1.0),
        (CLICK, 0.625, 0.75, 0.5),
        (CLICK, 0.4, 0.75, 0.0),
        (CLICK, 0.875, 0.75, 1.0),
        (PRICE, 1.5, 1.0, 0.5),
        (PRICE, 3.0, 1.0, 0.0),
        (CLICK, math.nan, 0.75, 0.0),
        (CLICK, 0.2, 0.505, 1.0),
        (CLICK, 0.2, math.nan, 1.0),
    ],
)
def test_share_of_the_peak_that_a_value_keeps(task, value, peak, share):
    assert kept_share(task, value, peak, TRIVIAL[task.name]) == share


def test_the_evaluation_with_the_best_mean_share_is_returned():
    # Each task peaks alone; in the middle both are near their peaks.
    checkpoint = checkpoint_after((0.75, 2.0), (0.74, 1.05), (0.5, 1.0))
    assert checkpoint.step == 1
    assert checkpoint.peaks == {"click": (0.75, 0), "price": (1.0, 2)}


def test_of_equally_good_evaluations_the_first_is_returned():
    assert checkpoint_after((0.75, 1.0), (0.75, 1.0)).step == 0


def test_a_champion_is_measured_again_when_peaks_grow():
    # The first keeps its click peak; once price has shown what is possible the third is better.
    assert checkpoint_after((0.75, 1.9), (0.5, 0.2), (0.7, 0.4)).step == 2


def measured(click: float, price: float, error: float) -> dict[str, Estimate]:
    """Values whose errors have nothing in common with those of other evaluations."""
    blocks = torch.randn(BLOCKS, dtype=torch.float64, generator=torch.Generator().manual_seed(int(1e4 * click)))
    blocks = blocks * (error / blocks.norm())
    return {"click": Estimate(click, blocks, 1000), "price": Estimate(price, 2 * blocks, 1000)}


def test_a_higher_rank_wins_within_the_error_of_the_difference_and_a_lower_one_does_not():
    checkpoint = CommonCheckpoint((CLICK, PRICE), TRIVIAL)
    checkpoint.update(0, measured(0.75, 1.0, error=0.01))
    assert checkpoint.update(1, measured(0.745, 1.02, error=0.01), rank=1)
    assert not checkpoint.update(2, measured(0.751, 1.0, error=0.01), rank=0)
    assert checkpoint.step == 1


def test_a_higher_rank_that_loses_the_peaks_does_not_win():
    checkpoint = CommonCheckpoint((CLICK, PRICE), TRIVIAL)
    checkpoint.update(0, measured(0.75, 1.0, error=0.01))
    assert not checkpoint.update(1, measured(0.5, 2.0, error=0.01), rank=1)
    assert checkpoint.update(2, measured(0.74, 1.0, error=0.01), rank=1) and checkpoint.rank == 1
    assert checkpoint.update(3, measured(0.9, 0.5, error=0.01), rank=0)


def test_a_task_whose_peak_is_chance_has_no_say():
    """Its share goes from 0 to 1 and would otherwise decide."""
    checkpoint = CommonCheckpoint((CLICK, PRICE), TRIVIAL)
    checkpoint.update(0, measured(0.48, 1.0, error=0.024))
    assert not checkpoint.update(1, measured(0.54, 1.3, error=0.024))
    assert say_of(0.08, 0.048) == 0 and say_of(0.5, 0.01) > 0.99


def test_a_frozen_peak_does_not_move():
    checkpoint = checkpoint_after((0.75, 1.0))
    checkpoint.update(1, {"click": 0.9, "price": 0.5}, frozen=["click"])
    assert checkpoint.peaks == {"click": (0.75, 0), "price": (0.5, 1)}


def test_an_undefined_value_is_never_a_peak_and_counts_as_lost():
    checkpoint = checkpoint_after((math.nan, 1.0), (0.75, 1.0), (math.nan, 1.0))
    assert checkpoint.peaks["click"] == (0.75, 1)
    assert checkpoint.step == 1


def test_there_is_always_something_to_return():
    assert checkpoint_after((math.nan, math.nan)).step == 0


def test_a_saved_checkpoint_continues():
    whole = checkpoint_after((0.75, 2.0), (0.74, 1.05), (0.5, 1.0))
    half, other = checkpoint_after((0.75, 2.0), (0.74, 1.05)), CommonCheckpoint((CLICK, PRICE), TRIVIAL)
    other.load_state_dict(half.state_dict())
    other.update(2, {"click": 0.5, "price": 1.0})
    assert (other.peaks, other.values, other.step, other.rank) == (whole.peaks, whole.values, whole.step, whole.rank)


@pytest.mark.parametrize(
    ("select_by", "weight", "step"),
    [("mean", 9, 1), ("worst", 1, 2), ("weighted", 9, 0), ("task.price", 1, 0), ("task.click", 1, 1)],
)
def test_the_criterion_decides(select_by, weight, step):
    price = Task("price", kind="regression", metric="rmse", weight=weight)
    checkpoint = CommonCheckpoint((CLICK, price), TRIVIAL, select_by)
    for number, values in enumerate([(0.5, 1.2), (0.9, 1.68), (0.68, 1.28)]):
        checkpoint.update(number, dict(zip(TRIVIAL, values, strict=True)))
    assert checkpoint.step == step


def test_an_unknown_criterion_is_named():
    with pytest.raises(UserError, match=r"select_by: 'task.prise' is no criterion; did you mean 'task.price'"):
        CommonCheckpoint((CLICK, PRICE), TRIVIAL, "task.prise")
