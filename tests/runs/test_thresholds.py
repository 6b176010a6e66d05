"""Thresholds move where that is better beyond chance, and else stay."""

from __future__ import annotations

import torch

from polytask.runs.thresholds import Moved, choose_threshold, describe
from polytask.task import Task
from polytask.uncertainty import Estimate


def rows(seed: int, n: int = 400, share: float = 0.3, signal: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    targets = (torch.rand(n, generator=draw) < share).float()
    return torch.sigmoid(torch.randn(n, generator=draw) + signal * (targets - 0.5)), targets


def test_noise_moves_a_threshold_as_rarely_as_stated() -> None:
    """Without signal every threshold is as good as 0.5 for balanced accuracy, of 60 the best looks better."""
    task, n = Task("a", metric="balanced_accuracy"), 100
    moved = [choose_threshold(task, *rows(seed), torch.arange(400)) is not None for seed in range(n)]
    assert sum(moved) <= 12  # 5 expected; more than 12 happen once in a thousand


def test_a_rare_class_is_found() -> None:
    predictions, targets = rows(0, n=1500, share=0.05, signal=4.0)
    found = choose_threshold(Task("a", metric="f1"), predictions * 0.2, targets, torch.arange(1500))
    assert found is not None and 0.1 < found.threshold < 0.2 and found.metric == "f1" and found.gain.value > 0.2


def test_the_first_metric_that_depends_on_it_decides() -> None:
    predictions, targets = rows(0, n=1500, share=0.05, signal=4.0)
    task = Task("a", also=("recall", "balanced_accuracy", "f1"))
    found = choose_threshold(task, predictions * 0.2, targets, torch.arange(1500))
    assert found is not None and found.metric == "balanced_accuracy"  # by recall everything would be positive
    default = choose_threshold(Task("a"), predictions * 0.2, targets, torch.arange(1500))
    assert default is not None and default.metric == "matthews"


def test_few_rows_or_one_class_decide_nothing() -> None:
    predictions, targets = rows(0, n=1500, share=0.05, signal=4.0)
    some = (targets == 0) | (targets.cumsum(0) <= 4)
    assert choose_threshold(Task("a"), predictions[some] * 0.2, targets[some], torch.arange(int(some.sum()))) is None
    one = targets == 0
    assert choose_threshold(Task("a"), predictions[one], targets[one], torch.arange(int(one.sum()))) is None
    assert (
        choose_threshold(Task("a"), torch.full((9,), 0.3), torch.tensor([0.0] * 5 + [1.0] * 4), torch.arange(9)) is None
    )


def test_many_moved_thresholds_take_one_line() -> None:
    tasks = [Task(f"t{place}", classes=("no", "yes")) for place in range(30)]
    moved = {task.name: Moved(0.2, "f1", Estimate.exact(0.1)) for task in tasks}
    (line,) = describe(moved, tasks)
    assert "30 targets" in line
    assert len(describe({"t3": moved["t3"]}, tasks)) == 1 and "'yes'" in describe({"t3": moved["t3"]}, tasks)[0]
