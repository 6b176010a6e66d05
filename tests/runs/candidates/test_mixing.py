"""Shares are equal unless rows show that they should not be, and single models count as they say."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.runs.candidates.mixing import Judged, Shares, choose_shares, mixed, repeats
from polytask.task import Task

PRICE = Task("price", kind="regression")


def of_price(outputs: dict[str, torch.Tensor], targets: torch.Tensor) -> Shares:
    return choose_shares({"price": Judged(PRICE, outputs, targets, torch.arange(len(targets)))})["price"]


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_candidates_that_are_equally_good_keep_equal_shares_nearly_always(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    targets = torch.randn(60, generator=draw)
    outputs = {name: targets + 0.5 * torch.randn(60, generator=draw) for name in "abc"}
    shares = of_price(outputs, targets)
    assert sum(shares.values()) <= 6


def test_equal_shares_move_rarely_by_chance_and_surely_where_one_is_useless() -> None:
    moved = 0
    for seed in range(40):
        draw = torch.Generator().manual_seed(seed)
        targets = torch.randn(80, generator=draw)
        outputs = {name: targets + torch.randn(80, generator=draw) for name in "abc"}
        moved += of_price(outputs, targets) != {"a": 1, "b": 1, "c": 1}
        bad = outputs | {"c": 3 * torch.randn(80, generator=draw)}
        assert "c" not in of_price(bad, targets)
    assert moved <= 6


def many(seed: int, worse: float, rows: int = 40, tasks: int = 8) -> dict[str, dict[str, int]]:
    """Shares of two candidates, one of which has ``worse`` more noise, for some tasks."""
    draw = torch.Generator().manual_seed(seed)
    judged = {}
    for k in range(tasks):
        targets = torch.randn(rows, generator=draw)
        outputs = {
            name: targets + scale * torch.randn(rows, generator=draw)
            for name, scale in {"a": 0.5, "b": 0.5 + worse}.items()
        }
        judged[str(k)] = Judged(PRICE, outputs, targets, torch.arange(rows))
    return choose_shares(judged)


def test_what_no_single_task_shows_the_mean_over_tasks_does() -> None:
    alone = [many(seed, worse=0.8, tasks=1)["0"] for seed in range(20)]
    together = [many(seed, worse=0.8) for seed in range(20)]
    assert sum("b" in own for own in alone) >= 12
    assert sum(not any("b" in own for own in shares.values()) for shares in together) >= 17


def test_equal_candidates_keep_equal_shares_for_many_tasks_nearly_always() -> None:
    moved = [sum(own != {"a": 1, "b": 1} for own in many(seed, worse=0.0).values()) for seed in range(20)]
    assert sum(moved) / 160 <= 0.1


def test_a_task_without_the_candidates_that_are_left_keeps_equal_shares_of_its_own() -> None:
    draw = torch.Generator().manual_seed(0)
    targets = torch.randn(200, generator=draw)
    good, bad = targets + 0.1 * torch.randn(200, generator=draw), torch.randn(200, generator=draw)
    judged = {"both": Judged(PRICE, {"good": good, "bad": bad}, targets, torch.arange(200)),
              "one": Judged(PRICE, {"bad": bad}, targets, torch.arange(200))}  # fmt: skip
    assert choose_shares(judged) == {"both": {"good": 1}, "one": {"bad": 1}}


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
