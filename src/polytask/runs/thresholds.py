"""From which probability on the positive one of two classes is predicted: chosen on validation, if that is worth it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..files import write_json
from ..records.folder import RunFolder
from ..task import METRICS, Metric, Task
from ..uncertainty import Estimate, estimate, exceeds, mean_of
from .preparation.prepared import MOST_LINES

#: Thresholds that are tried: quantiles of the predicted probabilities.
CANDIDATES = 64
#: Probability that a threshold is moved to one that is no better.
FALSE_MOVES = 0.05
#: What a threshold is chosen by where no metric of the task depends on one.
DEFAULT = "matthews"


@dataclass(frozen=True)
class Moved:
    """A threshold that is better than 0.5.

    Attributes:
        threshold: The probability.
        metric: What it was chosen by.
        gain: How much better it is, measured on rows that did not choose it.
    """

    threshold: float
    metric: str
    gain: Estimate


def choose_threshold(task: Task, predictions: Tensor, targets: Tensor, ids: Tensor) -> Moved | None:
    """The threshold that is best for the task's metric, if it is better than 0.5 beyond chance; else None.

    The gain is cross-fitted: the threshold that is best on one half of the rows is measured on the other half, and
    the other way round. So trying many thresholds costs no correction.

    Args:
        task: Of a kind with two classes; its first metric that depends on the threshold decides, else ``matthews``.
        predictions: ``[n]`` probabilities of validation rows with a label.
        targets: ``[n]`` their classes.
        ids: ``[n]`` which rows these are.

    Example:
        >>> draw = torch.Generator().manual_seed(0)
        >>> targets = (torch.rand(2000, generator=draw) < 0.1).float()
        >>> predictions = (0.2 * targets + 0.1 * torch.rand(2000, generator=draw)).clamp(0, 1)
        >>> found = choose_threshold(Task("rare"), predictions, targets, torch.arange(2000))
        >>> 0.09 < found.threshold < 0.21, found.metric
        (True, 'matthews')
    """
    if not len(targets):
        return None
    metric = METRICS[next((name for name in task.metrics if METRICS[name].moves_threshold), DEFAULT)]
    half = _halves(targets)
    gains = []
    for one, other in ((half, ~half), (~half, half)):
        best = _best(metric, predictions[one], targets[one])
        values = [
            estimate(_at(metric, threshold), predictions[other], targets[other], ids[other])
            for threshold in (best, 0.5)
        ]
        gains.append((values[0] - values[1]) * metric.sign)
    gain = mean_of(gains)
    if not exceeds(replace(gain, counted=min(int((targets > 0.5).sum()), gain.counted)), FALSE_MOVES):
        return None
    return Moved(_best(metric, predictions, targets), metric.name, gain)


def _halves(targets: Tensor) -> Tensor:
    """``[n]`` bool, every other row of each class."""
    half = torch.zeros(len(targets), dtype=torch.bool)
    for value in (0, 1):
        rows = (targets == value).nonzero()[:, 0]
        half[rows[::2]] = True
    return half


def _at(metric: Metric, threshold: float) -> Metric:
    """A metric of labels with another threshold."""

    def labels(predictions: Tensor) -> Tensor:
        return (predictions > threshold).long()

    assert metric.influence is not None
    influence = metric.influence
    return replace(
        metric,
        value=lambda p, y: metric.value(p, y, labels=labels),
        influence=lambda p, y: influence(p, y, labels=labels),
    )


def _best(metric: Metric, predictions: Tensor, targets: Tensor) -> float:
    """The best of :data:`CANDIDATES` thresholds, which lie between predicted probabilities."""
    known = torch.unique(predictions.double())
    if len(known) < 2:
        return 0.5
    between = (known[1:] + known[:-1]) / 2
    places = torch.linspace(0, len(between) - 1, min(CANDIDATES, len(between))).round().long()
    tried = [round(float(threshold), 6) for threshold in between[places]]
    tried = [threshold for threshold in tried if 0 < threshold < 1] or [0.5]
    return max(tried, key=lambda threshold: metric.sign * _at(metric, threshold)(predictions, targets))


def save_thresholds(run: RunFolder, found: Mapping[str, Moved]) -> None:
    """Write the thresholds that are not 0.5 and what they were chosen by; the bundle reads them."""
    if found:
        write_json(run.thresholds, {
            name: {"threshold": moved.threshold, "metric": moved.metric, "gain": moved.gain.value,
                   "error": moved.gain.error}
            for name, moved in found.items()
        })  # fmt: skip


def describe(found: Mapping[str, Moved], tasks: Sequence[Task]) -> list[str]:
    """Lines for the user: which thresholds have moved, and why; of many targets one for all."""
    if len(found) > MOST_LINES:
        return [f"classes of {len(found):,} targets are predicted from another probability than 0.5 on: that is better "
                "on validation beyond chance (thresholds.json)"]  # fmt: skip
    named = {task.name: task for task in tasks}
    return [
        f"{name}: {named[name].classes[1]!r} is predicted at a probability of {moved.threshold:.3g} on: "
        f"{moved.metric} on validation is better by {moved.gain.value:.3f} ±{1.96 * moved.gain.error:.3f} than at 0.5"
        for name, moved in found.items()
    ]
