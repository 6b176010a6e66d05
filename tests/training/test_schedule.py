"""The learning rate rises, falls and begins again as its schedule says."""

from __future__ import annotations

from itertools import pairwise

import pytest

from polytask import Callback
from polytask.data import Batch
from polytask.training import Training
from polytask.training.schedule import learning_rate_factor
from small_training import train


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_falling_schedule_ends_at_zero_and_never_rises(schedule: str) -> None:
    factors = [learning_rate_factor(step, 50, schedule) for step in range(51)]
    assert factors[0] == 1 and factors[-1] == pytest.approx(0, abs=1e-12)
    assert all(later < earlier for earlier, later in pairwise(factors))


class Rates(Callback):
    """Notes the learning rate of every step, and restarts the schedule once."""

    def __init__(self, restart_at: int = -1) -> None:
        self.restart_at = restart_at
        self.rates: list[float] = []

    def before_step(self, training: Training, batch: Batch) -> None:
        self.rates.append(training.optimizer.param_groups[0]["lr"])
        if training.step == self.restart_at:
            training.restart_schedule()


def test_training_follows_the_schedule_from_its_restart() -> None:
    rates = Rates(restart_at=19)
    train(rates, settings={"schedule": "linear", "warmup": 4, "learning_rate": 0.1})
    expected = [0.1 * learning_rate_factor(step, 40, "linear", 4) for step in range(20)]
    expected += [0.1 * learning_rate_factor(step, 21, "linear", 4) for step in range(1, 21)]
    assert rates.rates == pytest.approx(expected)
