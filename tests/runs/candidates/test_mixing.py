"""Shares are equal unless rows show that they should not be, and single models count as they say."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.runs.candidates.mixing import choose_shares, mixed, repeats
from polytask.task import Task

PRICE = Task("price", kind="regression")


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_candidates_that_are_equally_good_keep_equal_shares_nearly_always(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    targets = torch.randn(60, generator=draw)
    outputs = {name: targets + 0.5 * torch.randn(60, generator=draw) for name in "abc"}
    shares = choose_shares(PRICE, outputs, targets, torch.arange(60))
    assert sum(shares.values()) <= 6


def test_equal_shares_move_rarely_by_chance_and_surely_where_one_is_useless() -> None:
    moved = 0
    for seed in range(40):
        draw = torch.Generator().manual_seed(seed)
        targets = torch.randn(80, generator=draw)
        outputs = {name: targets + torch.randn(80, generator=draw) for name in "abc"}
        moved += choose_shares(PRICE, outputs, targets, torch.arange(80)) != {"a": 1, "b": 1, "c": 1}
        bad = outputs | {"c": 3 * torch.randn(80, generator=draw)}
        assert "c" not in choose_shares(PRICE, bad, targets, torch.arange(80))
    assert moved <= 6


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 5), min_size=1),
    st.lists(st.integers(1, 6), min_size=4, max_size=4),
)
def test_single_models_together_count_as_their_candidate(shares: dict[str, int], sizes: list[int]) -> None:
    models = dict(zip("abcd", sizes, strict=True))
    counts = repeats(shares, models)
    total = sum(counts[name] * models[name] for name in counts)
    for name, share in shares.items():
        assert math.isclose(counts[name] * models[name] / total, share / sum(shares.values()))
    assert math.gcd(*counts.values()) == 1


def test_the_mean_is_of_predictions_not_of_outputs() -> None:
    outputs = {"a": torch.tensor([0.0]), "b": torch.logit(torch.tensor([0.9]))}
    found = Task("click").definition.predict(mixed(Task("click"), outputs, {"a": 1, "b": 3}))
    torch.testing.assert_close(found, torch.tensor([0.8]))
