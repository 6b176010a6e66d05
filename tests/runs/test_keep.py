"""Networks are compared with the sampling error of the validation rows: seldom moved by chance, never to a loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from polytask.runs.keep import FALSE_MOVES, best_plan, mean_difference, skill_estimate, surely_better
from polytask.task import Task
from polytask.uncertainty import Estimate

BINARY, NUMBER = Task("click"), Task("price", kind="regression")
CLASSES = Task("topic", kind="multiclass", classes=("a", "b", "c"))


def skill(task: Task, targets: Tensor, quality: float, draw: torch.Generator) -> Estimate:
    """A model that sees the targets through noise; more quality, less noise."""
    n = len(targets)
    if task.kind == "multiclass":
        outputs = quality * torch.nn.functional.one_hot(targets.long(), 3) + torch.randn(n, 3, generator=draw)
    else:
        outputs = quality * (targets - targets.float().mean()) + torch.randn(n, generator=draw)
        outputs = outputs / (quality + 1 / quality) if task.kind == "regression" else outputs
    return skill_estimate(task, outputs, targets, torch.arange(n))


def drawn(task: Task, n: int, draw: torch.Generator, share: float = 0.3) -> Tensor:
    if task.kind == "regression":
        return torch.randn(n, generator=draw)
    return torch.randint(0, 3, (n,), generator=draw) if task.kind == "multiclass" else (
        torch.rand(n, generator=draw) < share
    ).float()  # fmt: skip


def moves(task: Task, n: int, qualities: tuple[float, ...], trials: int, share: float = 0.3) -> float:
    """Share of simulated runs in which a task leaves the first model."""
    draw, found = torch.Generator().manual_seed(0), 0
    for _ in range(trials):
        targets = drawn(task, n, draw, share)
        first, *others = (skill(task, targets, quality, draw) for quality in qualities)
        found += surely_better(first, {str(k): other for k, other in enumerate(others)}) is not None
    return found / trials


@pytest.mark.parametrize(("task", "n", "share"), [(BINARY, 200, 0.3), (BINARY, 400, 0.04), (NUMBER, 100, 0),
                                                 (CLASSES, 150, 0)])  # fmt: skip
@pytest.mark.parametrize("others", [1, 3])
def test_no_better_network_is_taken_in_one_of_a_hundred_runs_at_most(
    task: Task, n: int, share: float, others: int
) -> None:
    trials = 400
    allowed = FALSE_MOVES + 3 * math.sqrt(FALSE_MOVES * (1 - FALSE_MOVES) / trials)
    assert moves(task, n, (1.0,) * (others + 1), trials, share) <= allowed


@pytest.mark.parametrize("task", [BINARY, NUMBER, CLASSES], ids=lambda task: task.kind)
def test_a_clearly_better_network_is_found_and_a_worse_one_never(task: Task) -> None:
    assert moves(task, 300, (0.7, 1.8), 30) == 1.0
    assert moves(task, 300, (1.8, 0.7), 30) == 0.0


def test_three_rows_of_a_class_are_no_comparison() -> None:
    draw = torch.Generator().manual_seed(0)
    targets = torch.zeros(500)
    targets[:3] = 1
    bad, good = skill(BINARY, targets, 0.01, draw), skill(BINARY, targets, 9.0, draw)
    assert good.value > bad.value + 0.3 and surely_better(bad, {"good": good}) is None
    assert mean_difference({"click": bad}, {"click": good}).value == 0


def test_undefined_metrics_and_useless_networks_do_not_decide() -> None:
    draw = torch.Generator().manual_seed(0)
    undefined = skill_estimate(BINARY, torch.randn(20), torch.zeros(20), torch.arange(20))
    assert math.isnan(undefined.value) and surely_better(undefined, {"b": undefined}) is None
    targets = torch.randn(200, generator=draw)
    useless = skill_estimate(Task("price", kind="regression", metric="rmse"), 1e6 + targets, targets, torch.arange(200))
    assert useless.value == -1 and useless.error == 0


@pytest.mark.parametrize("gap", [0.0, 0.5])
def test_plans_are_compared_in_the_mean_over_tasks(gap: float) -> None:
    """Ten tasks on the same rows: an advantage of each that no task shows alone is seen in their mean."""
    draw, asked, chosen = torch.Generator().manual_seed(1), 0, 0
    trials = 100
    for _ in range(trials):
        targets = [drawn(BINARY, 200, draw) for _ in range(10)]
        one, many = (
            {str(k): skill(BINARY, values, quality, draw) for k, values in enumerate(targets)}
            for quality in (1.0, 1.0 + gap)
        )
        asked += surely_better(one, {"many": many}) == "many"
        chosen += best_plan({"one": one, "many": many}, {"one": 1, "many": 10}) == "many"
    if gap:
        assert asked > 0.9 * trials and chosen > 0.9 * trials
    else:
        assert asked <= 5 and chosen < 0.3 * trials


def test_the_plan_served_is_never_behind_by_more_than_an_error() -> None:
    draw = torch.Generator().manual_seed(2)
    for trial in range(50):
        targets = [drawn(NUMBER, 100, draw) for _ in range(3)]
        plans = {
            name: {str(k): skill(NUMBER, values, 1 + 0.1 * ((trial + place) % 4), draw)
                   for k, values in enumerate(targets)}
            for place, name in enumerate(("one", "plain", "many", "single"))
        }  # fmt: skip
        kept = best_plan(plans, {"one": 1, "plain": 1, "many": 2, "single": 3})
        gaps = [mean_difference(plans[kept], other) for other in plans.values()]
        assert all(gap.value <= gap.error + 1e-12 for gap in gaps)
