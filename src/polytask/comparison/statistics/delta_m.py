"""Delta m: the mean relative difference to a baseline, with its rule, sign and baseline printed beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ...errors import UserError


@dataclass(frozen=True)
class DeltaM:
    """A value of delta m; two values of different ``rule``, ``sign`` or ``baseline`` cannot be compared.

    Attributes:
        value: In per cent; an array if several rows were given.
        rule: What is averaged over.
        sign: Which way is better.
        baseline: What it is relative to.
    """

    value: float | np.ndarray
    rule: str
    sign: str
    baseline: str

    def __str__(self) -> str:
        shown = np.array2string(np.asarray(self.value), precision=2, sign="+", floatmode="fixed")
        return f"{shown} % ({self.rule}; {self.sign}; relative to {self.baseline})"


def delta_m(
    values: ArrayLike,
    baseline: ArrayLike,
    higher_is_better: Sequence[bool],
    *,
    tasks: Sequence[object] | None = None,
    better: Literal["higher", "lower"] = "higher",
    baseline_name: str = "single-task models",
) -> DeltaM:
    """Mean over metrics or tasks of the signed relative difference to a baseline.

    ``100 / M * sum_m s_m (values_m - baseline_m) / baseline_m`` with ``s_m = +1`` where higher is better. Two
    conventions are in use and may disagree even in sign: the code of Nash-MTL and FAMO averages over all metrics and
    turns the sign (``better="lower"``); LibMTL averages within each task first (``tasks``) and keeps it.

    Args:
        values: ``[M]`` or ``[n, M]`` metrics of the method.
        baseline: ``[M]`` or ``[n, M]`` the same of the baseline; none may be 0.
        higher_is_better: ``[M]`` direction of each metric.
        tasks: ``[M]`` the task of each metric: average within tasks first. None: average over metrics.
        better: Which way the result is better.
        baseline_name: How the baseline is called where the result is printed.

    Raises:
        UserError: If a baseline is 0 or undefined, or the shapes do not fit.

    Example:
        >>> print(delta_m([0.9, 3.0], [0.8, 2.0], [True, False]))
        -18.75 % (mean over metrics; higher is better; relative to single-task models)
    """
    values, baseline, signs = (np.asarray(array, dtype=float) for array in (values, baseline, higher_is_better))
    if not values.shape[-1] == baseline.shape[-1] == len(signs):
        raise UserError(
            "delta m: expected as many values, baselines and directions, "
            f"found {values.shape[-1]}, {baseline.shape[-1]} and {len(signs)}"
        )
    if not np.all(np.isfinite(baseline)) or np.any(baseline == 0):
        raise UserError(
            f"delta m: a baseline of 0 or undefined is no scale, found {baseline.tolist()}; "
            "leave that metric out, or compare differences"
        )
    changes = 100 * (2 * signs - 1) * (values - baseline) / np.abs(baseline)
    if tasks is not None:
        names = list(dict.fromkeys(tasks))
        changes = np.stack([changes[..., [t == name for t in tasks]].mean(-1) for name in names], -1)
    result = changes.mean(-1) * (1 if better == "higher" else -1)
    rule = "mean over metrics" if tasks is None else "mean over tasks of the mean over their metrics"
    return DeltaM(result if result.ndim else float(result), rule, f"{better} is better", baseline_name)
