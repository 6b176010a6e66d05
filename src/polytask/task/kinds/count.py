"""How often something happens: a Poisson rate with a log link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ...errors import UserError
from ..influence import of_mean
from ..kind import NumberKind
from ..labels import Labels
from ..metrics import MAE, PEARSON, R2, RMSE, SPEARMAN, Metric, mean

#: From this output on, e^20 mean counts, the loss continues as a straight line; where the count itself is larger, from
#: the output after it on.
STEEPEST = 20.0
#: The largest output as a rate: e^40 is finite in single precision.
MOST = 40.0
LEAST_RATE = 1e-7


def half_deviances(rates: Tensor, targets: Tensor) -> Tensor:
    """``y log(y / r) - y + r`` of every element, 0 where rate and count agree.

    Example:
        >>> half_deviances(torch.tensor([2.0, 2.0]), torch.tensor([2.0, 0.0]))
        tensor([0., 2.])
    """
    return torch.xlogy(targets, targets) - torch.xlogy(targets, rates) - targets + rates


def _deviances(p: Tensor, y: Tensor) -> Tensor:
    return 2 * half_deviances(p.double().clamp_min(LEAST_RATE), y.double())


#: Mean Poisson deviance, in counts.
POISSON_DEVIANCE = Metric(
    "poisson_deviance",
    higher_is_better=False,
    kinds=(),
    value=lambda p, y: _deviances(p, y).mean(),
    trivial=lambda y: float(_deviances(mean(y), y).mean()),
    influence=of_mean(_deviances),
    constant=mean,
    unit_power=1,
)


class Count(NumberKind):
    """Targets are counts over their mean in training, outputs logarithms of rates in that unit.

    The loss is half the Poisson deviance, which is the negative log likelihood up to what no prediction changes, and 0
    for a perfect one. Predicted means are right also where counts vary more than Poisson's.

    Source:
        P. McCullagh, J. A. Nelder, "Generalized Linear Models", 2nd ed. 1989, chapter 6.
    """

    name = "count"
    about = "a count, a whole number of at least 0; only if `--kind` sets it"
    default_metric = "poisson_deviance"
    metrics = (POISSON_DEVIANCE, MAE, RMSE, R2, SPEARMAN, PEARSON)
    constant_loss = 3.0  # of nine zeros in ten; one in a hundred gives 4.6
    trees: ClassVar[tuple[str, Mapping[str, Any]] | None] = ("HistGradientBoostingRegressor", {"loss": "poisson"})

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        y = targets.to(outputs.dtype)
        return torch.xlogy(y, y) - y * outputs - y + _rate_and_beyond(outputs, y)

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """Divergence of the student's Poisson distribution from the teacher's; a temperature has no meaning here."""
        rate = self.predict(teacher)
        return rate * (teacher.clamp_max(MOST) - outputs) - rate + _rate_and_beyond(outputs, rate)

    def linear_model(self, strength: float, passes: int) -> Any:
        from sklearn.linear_model import PoissonRegressor  # takes a moment to load

        return PoissonRegressor(alpha=1e-3 / strength, max_iter=passes)

    def outputs_of(self, predictions: Tensor) -> Tensor:
        return predictions.clamp_min(LEAST_RATE).log()

    def predict(self, outputs: Tensor) -> Tensor:
        return outputs.clamp_max(MOST).exp()

    def units(self, values: np.ndarray) -> tuple[float, float]:
        """Counts over their mean: a new network then predicts about that."""
        return 0.0, float(values.mean())

    def problem_with(self, values: np.ndarray) -> str | None:
        wrong = ~np.isnan(values) & ((values < 0) | (values != np.floor(values)))
        if not wrong.any():
            return None
        row = int(wrong.argmax())
        return (f"{int(wrong.sum())} values are no counts, such as {values[row]:g}; expected whole numbers of at least "
                "0, correct or empty them, or state the kind regression")  # fmt: skip

    def arrange(self, labels: Labels, at: str) -> Labels:
        if labels.values is not None and (problem := self.problem_with(labels.values)):
            raise UserError(f"{at}: {problem}")
        return labels


def _rate_and_beyond(outputs: Tensor, target: Tensor) -> Tensor:
    """``exp``, continued by its tangent: a step that went much too far still has a finite way back.

    The tangent is steeper than the target is large, or the loss would fall forever.
    """
    bounded = torch.minimum(outputs, (target.clamp_min(1.0).log() + 1).clamp_min(STEEPEST))
    return bounded.exp() * (1 + outputs - bounded)


KIND = Count()
