"""Transformations of numbers with a heavy tail, so that a few large targets do not decide all of a squared loss.

Each is monotone and has an inverse of plain arithmetic, which exported files hold as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor

#: A transformation that the training labels choose.
AUTO = "auto"
#: Knots of the quantile transformation, evenly spread over the ranks of the training labels.
KNOTS = 101
#: A target is heavy-tailed if its skewness is beyond this and the logarithm at least halves it.
SKEWED = 2.0
#: Fewest labels that say something about a tail.
FEWEST = 50


@dataclass(frozen=True)
class Transform:
    """A transformation by name.

    Attributes:
        fit: Parameters from training labels ``[n]`` float64.
        forward: ``forward(values, parameters)``, float64.
        inverse: Its inverse.
    """

    fit: Callable[[np.ndarray], tuple[float, ...]]
    forward: Callable[[Tensor, Sequence[float]], Tensor]
    inverse: Callable[[Tensor, Sequence[float]], Tensor]


def _middle(values: np.ndarray) -> tuple[float, ...]:
    sizes = np.abs(values[values != 0])
    return (float(np.median(sizes)) if len(sizes) else 1.0,)


def _log(values: Tensor, parameters: Sequence[float]) -> Tensor:
    return values.sign() * torch.log1p(values.abs() / parameters[0])


def _exp(values: Tensor, parameters: Sequence[float]) -> Tensor:
    return values.sign() * torch.expm1(values.abs()) * parameters[0]


def _quantiles(values: np.ndarray) -> tuple[float, ...]:
    """Knots in units of the labels, then their normal scores: pairs of equal knots are merged."""
    ranks = (np.arange(KNOTS) + 0.5) / KNOTS
    knots, first = np.unique(np.quantile(values, ranks), return_index=True)
    scores = np.array([NormalDist().inv_cdf(rank) for rank in ranks])
    last = np.append(first[1:], KNOTS)
    middle = [scores[start:stop].mean() for start, stop in zip(first, last, strict=True)]
    return (*knots.tolist(), *(float(score) for score in middle))


def _piecewise(values: Tensor, x: Sequence[float], y: Sequence[float]) -> Tensor:
    """The line through the points ``(x, y)``, continued at both ends: a sum of hinges, which every exporter knows."""
    if len(x) < 2:
        return values - x[0] + y[0]
    slopes = np.diff(y) / np.diff(x)
    turns = torch.tensor(np.append(slopes[0], np.diff(slopes)), dtype=torch.float64, device=values.device)
    starts = torch.tensor(x[:-1], dtype=torch.float64, device=values.device)
    beyond = values[..., None] - starts
    hinges = torch.cat([beyond[..., :1], beyond[..., 1:].clamp_min(0)], -1)
    return (hinges * turns).sum(-1) + y[0]


def _scores(values: Tensor, parameters: Sequence[float]) -> Tensor:
    half = len(parameters) // 2
    return _piecewise(values, parameters[:half], parameters[half:])


def _values(values: Tensor, parameters: Sequence[float]) -> Tensor:
    half = len(parameters) // 2
    return _piecewise(values, parameters[half:], parameters[:half])


#: By name. ``log``: ``sign(y) log(1 + |y| / m)`` with the median m of ``|y|``. ``quantile``: normal scores of the
#: ranks, linear between 101 quantiles of the training labels and beyond them.
TRANSFORMS: dict[str, Transform] = {
    "log": Transform(_middle, _log, _exp),
    "quantile": Transform(_quantiles, _scores, _values),
}


def skewness(values: np.ndarray) -> float:
    """Third standardised moment of ``[n]`` numbers; 0 if they are equal."""
    centred = values - values.mean()
    spread = float(np.sqrt((centred**2).mean()))
    return float((centred**3).mean()) / spread**3 if spread > 0 else 0.0


def skewed(values: np.ndarray) -> bool:
    """Whether training labels ``[n]`` may have a heavy tail: a skewness beyond 2."""
    return len(values) >= FEWEST and abs(skewness(values)) > SKEWED


def heavy_tailed(values: np.ndarray) -> bool:
    """Whether training labels ``[n]`` have a tail that the logarithm takes in: skewness beyond 2, and at most half of
    that after it.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> heavy_tailed(draw.lognormal(0, 2, 500)), heavy_tailed(draw.normal(size=500))
        (True, False)
    """
    logarithms = _log(torch.from_numpy(values.astype(np.float64)), _middle(values)).numpy()
    return skewed(values) and abs(skewness(logarithms)) < abs(skewness(values)) / 2
