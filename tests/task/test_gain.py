"""Which way is better, and how good a value is."""

import math

import pytest

from polytask.task import METRICS
from polytask.task.gain import gain, perfect, sign, skill


@pytest.mark.parametrize("name", METRICS)
def test_skill_is_0_at_the_trivial_and_1_at_the_perfect_value_and_grows_with_what_is_better(name):
    metric, trivial = METRICS[name], 0.25
    assert skill(trivial, trivial, metric.direction) == 0 and metric.skill(metric.perfect, trivial) == 1
    better, worse = trivial + 0.1 * metric.sign, trivial - 0.1 * metric.sign
    assert skill(better, trivial, metric.direction) > 0 > skill(worse, trivial, metric.direction)
    assert gain(better, worse, metric.direction).verdict == "better"


def test_directions():
    assert (sign("max"), perfect("max"), sign("min"), perfect("min")) == (1, 1, -1, 0)


def test_skill_is_bounded_below_and_undefined_where_the_value_is():
    assert skill(-7.0, 0.0, "max", least=-1.0) == -1
    assert math.isnan(skill(math.nan, 0.5, "max", least=-1.0)) and math.isnan(skill(0.5, math.nan, "min", least=-1.0))


def test_nothing_has_skill_where_a_constant_prediction_is_perfect():
    assert skill(0.5, 1.0, "max") == 0
