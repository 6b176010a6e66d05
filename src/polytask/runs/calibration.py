"""Probabilities that are true, and numbers no further from the mean than they know: a temperature per target.

Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..files import write_json
from ..records.folder import RunFolder
from ..task import KINDS, Task
from ..training.evaluation import task_estimate
from ..uncertainty import Estimate, estimate_of_rows, exceeds
from .preparation.prepared import MOST_LINES
from .thresholds import FALSE_MOVES

#: Temperatures that are tried.
CANDIDATES = torch.logspace(-0.75, 1.0, 71, dtype=torch.float64)
#: Further ones of numbers, where a learning rate that is too high took predictions over 10 deviations from the mean.
FAR = torch.logspace(1.25, 5.0, 16, dtype=torch.float64)
#: Probability that predictions of numbers are drawn to the mean where that is no better; with 5 %, as for classes,
#: small tables lost.
FALSE_DRAWN = 0.01
#: Parts of the validation rows for cross-fitting.
FOLDS = 5


@dataclass(frozen=True)
class Warmed:
    """A temperature that is better than 1.

    Attributes:
        temperature: By which logits are divided.
        gain: How much lower the loss is, measured on rows that did not choose it.
        numbers: The target is a number: the temperature divides distances from the mean.
    """

    temperature: float
    gain: Estimate
    numbers: bool = False


def choose_temperature(task: Task, outputs: Tensor, targets: Tensor, ids: Tensor) -> Warmed | None:
    """The temperature with the lowest loss, if it is better than 1 beyond chance; else None.

    The loss is the log loss of classes and the squared error of standardised numbers, whose predictions are drawn to
    the mean where they are worse than it.

    The gain is cross-fitted: the temperature that is best on the rows of all folds but one is measured on that one.
    A temperature that makes the task's metric worse beyond chance is refused: the median of ordinal classes moves.

    Args:
        task: Of a kind that can be calibrated.
        outputs: ``[n]`` or ``[n, C]`` raw outputs of validation rows with a label.
        targets: ``[n]`` their classes or standardised numbers, or ``[n, L]`` which labels they have.
        ids: ``[n]`` which rows these are.

    Example:
        >>> draw = torch.Generator().manual_seed(0)
        >>> true = torch.randn(2000, generator=draw)
        >>> targets = (torch.rand(2000, generator=draw) < true.sigmoid()).float()
        >>> found = choose_temperature(Task("a"), 4 * true, targets, torch.arange(2000))
        >>> 3 < found.temperature < 5, choose_temperature(Task("a"), true, targets, torch.arange(2000)) is None
        (True, True)
    """
    if len(targets) <= FOLDS:
        return None
    tried = _tried(task, outputs)
    losses = _losses(task, tried, outputs, targets)
    fold, gains = torch.arange(len(targets)) % FOLDS, torch.empty(len(targets), dtype=torch.float64)
    for number in range(FOLDS):
        best = int(losses[:, fold != number].mean(1).argmin())
        own = fold == number
        gains[own] = losses[_one(tried), own] - losses[best, own]
    gain = estimate_of_rows(gains, ids)
    lowest = round(float(tried[int(losses.mean(1).argmin())]), 4)
    found = Warmed(lowest, gain, numbers=not task.classes)
    sure = exceeds(gain, FALSE_DRAWN if found.numbers else FALSE_MOVES)
    if not sure or _worse(task, found.temperature, outputs, targets, ids):
        return None
    return found


def _losses(task: Task, tried: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
    """``[T, n]`` loss of every row, of all its labels, at every temperature."""
    kind, outputs = KINDS[task.kind], outputs.double()
    return torch.stack([_of_rows(kind.loss(outputs / temperature, targets)) for temperature in tried])


def _tried(task: Task, outputs: Tensor) -> Tensor:
    """Temperatures to try; numbers are never taken further from the mean: what was too small on the validation rows of
    one time was too large on those of the next."""
    if task.classes:
        return CANDIDATES
    nearer = CANDIDATES[_one(CANDIDATES) :]
    return torch.cat([nearer, FAR]) if float(outputs.double().square().mean()) > 100 else nearer


def _of_rows(losses: Tensor) -> Tensor:
    """``[n]`` losses of rows, which may have several."""
    return losses.flatten(1).sum(1) if losses.ndim > 1 else losses


def _worse(task: Task, temperature: float, outputs: Tensor, targets: Tensor, ids: Tensor) -> bool:
    """Whether a temperature makes the task's metric worse beyond chance."""
    before, after = (task_estimate(replace(task, temperature=one), outputs, targets, ids) for one in (1.0, temperature))
    return exceeds((before - after) * task.metric_definition.sign, FALSE_MOVES)


def _one(tried: Tensor) -> int:
    """Position of the temperature 1."""
    return int((tried - 1).abs().argmin())


def save_temperatures(run: RunFolder, found: Mapping[str, Warmed]) -> None:
    """Write the temperatures that are not 1; the bundle reads them."""
    if found:
        write_json(run.calibration, {
            name: {"temperature": one.temperature, "gain": one.gain.value, "error": one.gain.error}
            for name, one in found.items()
        })  # fmt: skip


def describe_temperatures(found: Mapping[str, Warmed]) -> list[str]:
    """Lines for the user: what is calibrated, and why; of many targets one for all."""
    if len(found) > MOST_LINES:
        return [f"predictions of {len(found):,} targets are calibrated: the loss on validation is lower beyond chance"]
    return [f"{name}: {_described(one)}" for name, one in found.items()]


def _described(found: Warmed) -> str:
    size = f"{found.gain.value:.3g} ±{1.96 * found.gain.error:.2g}"
    if found.numbers:
        return (
            f"predictions are nearer to the mean (distances divided by {found.temperature:.3g}): squared error on "
            f"validation is lower by {size} of the target's variance"
        )
    return (
        f"probabilities are calibrated (logits divided by {found.temperature:.3g}): log loss on validation is "
        f"lower by {size}"
    )
