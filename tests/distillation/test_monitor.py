"""The test of convergence on the history of a metric."""

import math

import numpy as np
import pytest
import torch

from polytask import ConvergenceMonitor
from polytask.uncertainty import Estimate

NAN = math.nan


def feed(values, **options):
    """The monitor after ``values``, and the evaluation (counted from 1) at which it first says converged."""
    monitor = ConvergenceMonitor(**{"patience": 2, "min_evaluations": 0, **options})
    said = [monitor.update(step, value) for step, value in enumerate(values, 1)]
    return monitor, said.index(True) + 1 if True in said else None


@pytest.mark.parametrize(
    ("values", "best", "best_step", "switch"),
    [
        ([0.70, 0.78, 0.80, 0.79, 0.79], 0.80, 3, 5),
        ([0.50, 0.55, 0.58, 0.60, 0.61, 0.61, 0.60], 0.61, 5, 7),
        ([0.20, 0.25, 0.30, 0.36, 0.41, 0.45, 0.49, 0.53], 0.53, 8, None),
    ],
)
def test_the_worked_example(values, best, best_step, switch):
    monitor, switched = feed(values)
    assert (monitor.best, monitor.best_step, switched) == (best, best_step, switch)


def test_a_metric_to_minimise_is_the_mirror_image():
    values = [0.70, 0.78, 0.80, 0.79, 0.79]
    monitor, switched = feed([-value for value in values], higher_is_better=False)
    assert (monitor.best, monitor.best_step, switched) == (-0.80, 3, 5)


def test_an_equal_value_is_no_improvement():
    assert feed([0.5, 0.5, 0.5])[1] == 3


def test_an_improvement_of_min_delta_or_less_does_not_count():
    assert feed([0.5, 0.75, 0.75], min_delta=0.25)[1] == 3
    assert feed([0.5, 0.75, 0.75], min_delta=0.125)[1] is None


def test_small_improvements_add_up_to_one_that_counts():
    assert feed([0.5, 0.625, 0.875, 1.0], min_delta=0.25)[0].best_step == 3


def test_nan_is_no_improvement_and_never_the_best():
    monitor, switched = feed([0.5, NAN, NAN], keep=3)
    assert (monitor.best, monitor.best_step, switched) == (0.5, 1, 3)
    assert monitor.top == [(0.5, 1)]


def test_a_first_nan_gives_way_to_the_first_number():
    monitor, switched = feed([NAN, -3.0])
    assert (monitor.best, monitor.bad, switched) == (-3.0, 0, None)


def test_a_metric_that_is_always_nan_never_converges():
    monitor, switched = feed([NAN] * 20)
    assert switched is None
    assert monitor.stalled
    assert math.isnan(monitor.best)


def test_no_convergence_before_min_evaluations_though_bad_ones_count_from_the_first():
    assert feed([0.9, 0.8, 0.7, 0.6, 0.5], min_evaluations=4)[1] == 4


@pytest.mark.parametrize(("higher", "trivial", "better"), [(True, 0.5, 0.75), (False, 2.0, 1.0)])
def test_a_metric_at_its_trivial_level_has_stalled_but_not_converged(higher, trivial, better):
    options = {"higher_is_better": higher, "trivial": trivial, "floor": 0.125}
    monitor, switched = feed([trivial] * 10, **options)
    assert switched is None
    assert monitor.stalled
    assert feed([trivial] * 5 + [better] * 3, **options)[1] == 8


def test_a_best_value_exactly_at_the_floor_is_not_above_it():
    assert feed([0.625] * 5, trivial=0.5, floor=0.125)[1] is None


def test_the_best_values_are_kept_in_order_and_the_earlier_of_equal_ones():
    monitor, _ = feed([0.5, 0.7, 0.6, 0.7, 0.4, 0.6], patience=9, keep=4)
    assert monitor.top == [(0.7, 2), (0.7, 4), (0.6, 3), (0.6, 6)]
    monitor, _ = feed([0.5, 0.7, 0.6], patience=9, keep=2, higher_is_better=False)
    assert monitor.top == [(0.5, 1), (0.6, 3)]


@pytest.mark.parametrize("cut", range(7))
def test_a_saved_monitor_continues_as_if_never_interrupted(cut):
    values = [0.50, NAN, 0.58, 0.61, 0.61, 0.60, 0.62]
    whole, _ = feed(values, keep=3)
    first, _ = feed(values[:cut], keep=3)
    second = ConvergenceMonitor(patience=2, min_evaluations=0, keep=3)
    second.load_state_dict(first.state_dict())
    for step, value in enumerate(values[cut:], cut + 1):
        second.update(step, value)
    assert second == whole


#: Matthews correlation of a sentence task (CoLA) on 1,282 validation rows, evaluated every 15 steps; as recorded with
#: equal weights, learning rate .003, dropout .3, seed 0. It goes on to .15.
BARELY_BEGUN = [
    0.04338, -0.01798, 0.02539, 0.02539, 0.02539, 0.05075, 0.02539, 0.03127, 0.00428, 0.04418, 0.03974, 0.05741,
    0.05977, 0.04515, 0.09942, 0.00606, 0.05455, 0.03127, 0.12748,
]  # fmt: skip
ORDINARY = [0.61, 0.68, 0.72, 0.74, 0.752, 0.758, 0.761, 0.757, 0.7605, 0.7598, 0.756, 0.7592]


def converges(values: list[float], **options) -> bool:
    monitor = ConvergenceMonitor(patience=5, min_evaluations=10, floor=0.05, **options)
    said = [monitor.update(step, value) for step, value in enumerate(values)]
    return True in said


def test_a_metric_within_its_noise_of_the_trivial_level_has_not_begun():
    assert not converges(BARELY_BEGUN, trivial=0.0)
    assert not converges([3 * value for value in BARELY_BEGUN], trivial=0.0)  # well above 5 %, but all noise
    assert converges([0.5 + value for value in BARELY_BEGUN], trivial=0.0)


def test_an_ordinary_curve_converges_whatever_its_noise_was_at_first():
    assert converges(ORDINARY, trivial=0.5)
    assert converges(ORDINARY)


def test_noise_is_the_standard_deviation_of_noise():
    monitor = ConvergenceMonitor(patience=2000, min_evaluations=10)
    for step, value in enumerate(np.random.default_rng(0).normal(0.7, 0.02, 2000)):
        monitor.update(step, float(value))
    assert monitor.noise == pytest.approx(0.02, rel=0.1)


def with_errors(values: list[float], error: float) -> list[Estimate]:
    """Values whose paired differences all have this standard error."""
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(len(values), 256, generator=draw, dtype=torch.float64)
    noise -= noise.mean(1, keepdim=True)
    blocks = noise / noise.norm(dim=1, keepdim=True) * error / 2**0.5
    return [Estimate(value, own, 1000) for value, own in zip(values, blocks, strict=True)]


def test_an_improvement_may_have_to_exceed_errors() -> None:
    rising = with_errors([0.5 + 0.002 * step for step in range(40)], error=0.02)
    assert feed(rising, patience=5)[1] is None
    assert feed(rising, patience=5, min_errors=1.0)[1] == 6
    assert feed(rising, patience=15, min_errors=1.0)[1] is None  # ten evaluations are more than an error


def test_a_task_that_only_varies_converges() -> None:
    draw = np.random.default_rng(0)
    series = [with_errors(list(draw.normal(0.8, 0.007, 200)), error=0.01) for _ in range(50)]
    switches = [feed(one, patience=10, min_evaluations=20, trivial=0.5)[1] for one in series]
    assert None not in switches and np.median(switches) < 40
