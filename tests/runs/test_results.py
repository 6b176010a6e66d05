"""What results.json says about a value."""

import pytest
import torch

from polytask.runs.results import bounds
from polytask.uncertainty import Estimate


@pytest.mark.parametrize(
    ("direction", "value", "expected"),
    [("max", 0.98, [0.94, 1.0]), ("min", 0.02, [0.0, 0.06]), (None, 0.98, [0.94, 1.02])],
)
def test_an_interval_ends_at_a_perfect_value(direction: str | None, value: float, expected: list[float]) -> None:
    error = 0.04 / 1.96 / 2  # of each of two blocks: a standard error of .0204
    found = bounds(Estimate(value, torch.tensor([error, -error]), 10**6), direction=direction)
    assert found == pytest.approx(expected, abs=1e-3)


def test_a_single_row_has_no_interval() -> None:
    assert bounds(Estimate(0.5, torch.zeros(2), 1)) is None
