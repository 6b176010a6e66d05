"""Ways to measure affinity, by name."""

from __future__ import annotations

from typing import Any

from ....errors import UserError, did_you_mean
from .cosine import Cosine
from .estimator import Estimator, Moment, Sample
from .exact import Lookahead
from .factored import Factored
from .gramian import Gramian, RepresentationGramian

ESTIMATORS: dict[str, type[Estimator]] = {
    estimator.name: estimator for estimator in (Cosine, Factored, Gramian, Lookahead, RepresentationGramian)
}
#: ``auto`` takes the first of these that fits the model.
PREFERRED = ("factored", "gramian")
AUTO = "auto"


def make_estimators(name: str, options: dict[str, Any]) -> list[Estimator]:
    """The estimator of that name; for ``auto`` those to try, in order.

    Raises:
        UserError: An unknown name.

    Example:
        >>> [estimator.name for estimator in make_estimators("auto", {})]
        ['factored', 'gramian']
    """
    if name != AUTO and name not in ESTIMATORS:
        raise UserError(f"affinity: estimator {name!r} is not known; {did_you_mean(name, [AUTO, *ESTIMATORS])}")
    return [ESTIMATORS[known]() for known in PREFERRED] if name == AUTO else [ESTIMATORS[name](**options)]


__all__ = ["AUTO", "ESTIMATORS", "Estimator", "Moment", "Sample", "make_estimators"]
