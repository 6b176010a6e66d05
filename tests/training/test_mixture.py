"""Several data sets are drawn with the shares that were asked for, and every row of each in turn."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from polytask import UserError
from polytask.training.mixture import MixtureStream, sampling_shares

SOURCE = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)


def drawn(stream: MixtureStream, steps: int) -> Counter[int]:
    """Rows drawn per data set."""
    return Counter(SOURCE[torch.cat([stream.ids(step) for step in range(steps)])].tolist())


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ("proportional", (0.6, 0.3, 0.1)),
        ("equal", (1 / 3, 1 / 3, 1 / 3)),
        ("round_robin", (1 / 3, 1 / 3, 1 / 3)),
        ("temperature", tuple(n**0.5 / (60**0.5 + 30**0.5 + 10**0.5) for n in (60, 30, 10))),
        ((1, 2, 5), (0.125, 0.25, 0.625)),
    ],
)
def test_shares_are_those_asked_for(sampling: str | tuple[float, ...], expected: tuple[float, ...]) -> None:
    counts = drawn(MixtureStream(SOURCE, 20, 0, sampling), 300)
    assert [counts[k] / 6000 for k in range(3)] == pytest.approx(expected, abs=2e-3)


def test_every_row_comes_once_before_any_comes_again() -> None:
    stream = MixtureStream(SOURCE, 20, 0, "equal")
    ids = torch.cat([stream.ids(step) for step in range(40)])
    for number in range(3):
        own = ids[SOURCE[ids] == number]
        size = int(torch.bincount(SOURCE)[number])
        for start in range(0, len(own) - size + 1, size):
            assert len(own[start : start + size].unique()) == size


def test_round_robin_takes_one_data_set_a_step() -> None:
    stream = MixtureStream(SOURCE, 8, 0, "round_robin")
    assert [SOURCE[stream.ids(step)].unique().tolist() for step in range(6)] == [[0], [1], [2]] * 2


def test_a_step_is_a_function_of_seed_and_number() -> None:
    forward = [MixtureStream(SOURCE, 20, 3, "temperature").ids(step) for step in range(25)]
    stream = MixtureStream(SOURCE, 20, 3, "temperature")
    for step in (24, 3, 17, 0):
        assert torch.equal(stream.ids(step), forward[step])
    assert not torch.equal(MixtureStream(SOURCE, 20, 4, "temperature").ids(0), forward[0])


@pytest.mark.parametrize(
    ("sampling", "temperature", "message"),
    [
        ("proportionel", 2.0, "did you mean 'proportional'"),
        ((1, 2), 2.0, "expected 3 ratios"),
        ((1, 2, 0), 2.0, "above 0"),
        ("temperature", 0.0, "more than 0"),
    ],
)
def test_unusable_sampling_is_refused(sampling: str | tuple[float, ...], temperature: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        sampling_shares([60, 30, 10], sampling, temperature)
