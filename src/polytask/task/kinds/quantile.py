"""A number and how sure it is: five quantiles of it, by the pinball loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from ..influence import of_mean
from ..kind import NumberKind, Plot
from ..metrics import Metric

if TYPE_CHECKING:
    from ..task import Task

#: Shares of the rows that are below the predictions; the middle one is the predicted value.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MIDDLE = QUANTILES.index(0.5)


def pinball(predictions: Tensor, targets: Tensor) -> Tensor:
    """``[...]`` mean over the quantiles ``[..., Q]`` of twice the pinball loss (the absolute error, of a median).

    Example:
        >>> pinball(torch.zeros(1, 5), torch.tensor([1.0]))
        tensor([1.])
    """
    shares = torch.tensor(QUANTILES, dtype=predictions.dtype, device=predictions.device)
    errors = targets[..., None].to(predictions.dtype) - predictions
    return 2 * torch.maximum(shares * errors, (shares - 1) * errors).mean(-1)


def _values(p: Tensor, y: Tensor) -> Tensor:
    return pinball(p.double(), y.double())


def _quantiles_of(y: Tensor) -> Tensor:
    """``[n, Q]``, the quantiles of the targets as the prediction for every row."""
    found = np.quantile(y.double().cpu().numpy(), QUANTILES)
    return torch.from_numpy(found).to(y.device).expand(len(y), -1)


def _errors(p: Tensor, y: Tensor) -> Tensor:
    return (p[..., MIDDLE].double() - y.double()).abs()


#: Mean pinball loss, in units of the target.
PINBALL = Metric("pinball", False, (), lambda p, y: _values(p, y).mean(),
                 lambda y: float(_values(_quantiles_of(y), y).mean()), of_mean(_values), _quantiles_of,
                 unit_power=1)  # fmt: skip
#: Mean absolute error of the median.
MEDIAN_MAE = Metric("median_mae", False, (), lambda p, y: _errors(p, y).mean(),
                    lambda y: float(_errors(_quantiles_of(y), y).mean()), of_mean(_errors), _quantiles_of,
                    unit_power=1)  # fmt: skip


class Quantile(NumberKind):
    """Targets are standardised numbers ``[...]``, outputs ``[..., 5]``: the median, and positive steps away from it.

    Source:
        R. Koenker, G. Bassett, "Regression Quantiles", Econometrica 1978. Steps are positive, so that quantiles do not
        cross. Intervals are conformalised: Y. Romano, E. Patterson, E. Candès, "Conformalized Quantile Regression",
        NeurIPS 2019, arXiv:1905.03222.
    """

    name = "quantile"
    about = "a number; its 5, 25, 50, 75 and 95 % quantiles are predicted; only if `--kind` sets it"
    vector_output = True
    transformable = True
    default_metric = "pinball"
    metrics = (PINBALL, MEDIAN_MAE)
    constant_loss = 1.0

    def width(self, classes: int) -> int:
        return len(QUANTILES)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return pinball(self.predict(outputs), targets)

    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """Mean absolute distance of the quantiles; a temperature has no meaning for numbers."""
        return (self.predict(outputs) - self.predict(teacher)).abs().mean(-1)

    def predict(self, outputs: Tensor) -> Tensor:
        """``[..., 5]`` ascending quantiles."""
        steps, middle = softplus(outputs), outputs[..., MIDDLE : MIDDLE + 1]
        below = steps[..., :MIDDLE].flip(-1).cumsum(-1).flip(-1)
        return torch.cat([middle - below, middle, middle + steps[..., MIDDLE + 1 :].cumsum(-1)], -1)

    def outputs_of(self, predictions: Tensor) -> Tensor:
        steps = predictions.diff(dim=-1).clamp_min(1e-6)
        inverse = steps + torch.log(-torch.expm1(-steps))
        middle = predictions[..., MIDDLE : MIDDLE + 1]
        return torch.cat([inverse[..., :MIDDLE], middle, inverse[..., MIDDLE:]], -1)

    def labels(self, predictions: Tensor) -> Tensor:
        return predictions[..., MIDDLE]

    def expected(self, predictions: Tensor) -> Tensor | None:
        return predictions[..., MIDDLE]

    def plots(self, task: Task, predictions: Tensor, targets: Tensor, units: Tensor | None = None) -> list[Plot]:
        return super().plots(task, predictions[..., MIDDLE], targets)

    def agreement(self, old: Tensor, new: Tensor) -> float:
        return super().agreement(old[..., MIDDLE], new[..., MIDDLE])

    def nonconformity(self, predictions: Tensor, targets: Tensor) -> Tensor | None:
        """How far a target is outside of the outer quantiles, negative inside."""
        return torch.maximum(predictions[..., 0] - targets, targets - predictions[..., -1])

    def ends(self, predictions: Tensor, limit: float) -> tuple[Tensor, Tensor]:
        return predictions[..., 0] - limit, predictions[..., -1] + limit

    def units(self, values: np.ndarray) -> tuple[float, float]:
        """Median and standard deviation."""
        return float(np.median(values)), float(values.std())

    def column_names(self, task: Task) -> list[str]:
        return [task.name, *(f"{task.name}_q{100 * share:02.0f}" for share in QUANTILES)]

    def columns(self, task: Task, predictions: Tensor, texts: Sequence[str]) -> dict[str, np.ndarray | list[str]]:
        """The median, and every quantile as ``TARGET_q05``, ..."""
        values = task.in_units(predictions).numpy()
        named = zip(self.column_names(task)[1:], values.T, strict=True)
        return {task.name: values[:, MIDDLE], **dict(named)}

    def exported_about(self, task: Task) -> dict[str, Any]:
        return {"type": "float64 [n, quantiles]", "quantiles": list(QUANTILES)}


KIND = Quantile()
