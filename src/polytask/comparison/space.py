"""What is searched: ranges of keys, drawn by Optuna."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import model_validator

from ..config import Section
from ..extras import require

#: Keys of drawn numbers from which static weights are made.
WEIGHT = "weight of "


class SearchRange(Section):
    """Where a key is searched: from ``low`` to ``high``, or among ``choices``."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    choices: tuple[str | float | bool | None, ...] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> SearchRange:
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("expected low and high, or choices")
        if self.choices is not None and (self.log or self.whole or self.low is not None or self.high is not None):
            raise ValueError("low, high, log and whole have no effect with choices")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"expected low below high, found {self.low:g} and {self.high:g}")
        if self.log and not (self.low or 0) > 0:
            raise ValueError(f"log needs low above 0, found {self.low}")
        return self

    def distribution(self) -> Any:
        """The same for Optuna."""
        distributions = optuna().distributions
        if self.choices is not None:
            return distributions.CategoricalDistribution(self.choices)
        assert self.low is not None and self.high is not None
        if self.whole:
            return distributions.IntDistribution(int(self.low), int(self.high), log=self.log)
        return distributions.FloatDistribution(self.low, self.high, log=self.log)


LEARNING_RATE = SearchRange(low=1e-4, high=1e-2, log=True)
WEIGHT_DECAY = SearchRange(low=1e-6, high=1e-2, log=True)
#: The search of gradient-boosted trees; keys of scikit-learn's HistGradientBoosting.
TREES = {
    "learning_rate": SearchRange(low=0.02, high=0.3, log=True),
    "max_leaf_nodes": SearchRange(low=7, high=63, log=True, whole=True),
    "l2_regularization": SearchRange(low=1e-3, high=10, log=True),
}


def optuna() -> Any:
    """The module, loaded when first used.

    Raises:
        UserError: If it is not installed.
    """
    require("compare", "optuna", needed_by="a search (more than one trial)")
    import optuna as found

    found.logging.set_verbosity(found.logging.WARNING)
    return found


def weight_ranges(tasks: Sequence[str]) -> dict[str, SearchRange]:
    """Ranges from which :func:`static_weights` makes weights."""
    return {f"{WEIGHT}{task}": SearchRange(low=0.01, high=0.99) for task in tasks}


def static_weights(drawn: Mapping[str, float]) -> dict[str, float]:
    """Static weights from uniform numbers: K times a draw from Dirichlet(1), so that they sum to K.

    Exponential numbers ``-log u`` divided by their sum are such a draw.

    Example:
        >>> static_weights({"weight of a": 0.5, "weight of b": 0.5})
        {'a': 1.0, 'b': 1.0}
    """
    sizes = {key.removeprefix(WEIGHT): -math.log(value) for key, value in drawn.items()}
    total = sum(sizes.values())
    return {task: len(sizes) * size / total for task, size in sizes.items()}


def applied(values: Mapping[str, Any], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of ``fit`` with drawn values set; keys may have dots, and weights become ``balance: static``.

    Example:
        >>> applied({"balance": "dwa"}, {"balance.temperature": 1.5, "learning_rate": 0.01})
        {'balance': {'name': 'dwa', 'temperature': 1.5}, 'learning_rate': 0.01}
    """
    result = dict(values)
    weights = {key: value for key, value in drawn.items() if key.startswith(WEIGHT)}
    for key, value in drawn.items():
        if key not in weights:
            _set(result, key.split("."), value)
    if weights:
        result["balance"] = {"name": "static", "values": static_weights(weights)}
    return result


def _set(section: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set a key in place; sections on the way are copied, not shared."""
    if len(path) == 1:
        section[path[0]] = value
        return
    inner = section.get(path[0], {})
    inner = {"name": inner} if isinstance(inner, str) else dict(inner or {})
    section[path[0]] = inner
    _set(inner, path[1:], value)
