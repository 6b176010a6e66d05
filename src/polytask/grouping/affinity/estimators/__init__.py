"""Ways to measure affinity, by name."""

from __future__ import annotations

import inspect
from typing import Any

from ....errors import UserError, did_you_mean
from .cosine import Cosine
from .estimator import Estimator, Moment, Sample
from .exact import Lookahead
from .factored import Factored
from .gramian import Gramian, Representation

ESTIMATORS: dict[str, type[Estimator]] = {
    estimator.name: estimator for estimator in (Cosine, Factored, Gramian, Lookahead, Representation)
}
#: ``auto`` takes the first of these that fits the model.
PREFERRED = ("factored", "gramian")
AUTO = "auto"


def make_estimators(name: str, options: dict[str, Any]) -> list[Estimator]:
    """The estimator of that name; for ``auto`` those to try, in order.

    Raises:
        UserError: An unknown name, or options that the estimator does not have.

    Example:
        >>> [estimator.name for estimator in make_estimators("auto", {})]
        ['factored', 'gramian']
        >>> make_estimators("gramian", {"rows": 8})
        Traceback (most recent call last):
        polytask.errors.UserError: affinity: 'rows' has no effect with estimator gramian; it belongs to factored
    """
    if name != AUTO and name not in ESTIMATORS:
        raise UserError(f"affinity: estimator {name!r} is not known; {did_you_mean(name, [AUTO, *ESTIMATORS])}")
    takes = {known: set(inspect.signature(kind).parameters) for known, kind in ESTIMATORS.items()}
    wrong = [option for option in options if name == AUTO or option not in takes[name]]
    problems = []
    for option in wrong:
        owners = [known for known in ESTIMATORS if option in takes[known]]
        known_options = sorted(set().union(*takes.values()))
        belongs = f"it belongs to {', '.join(owners)}" if owners else did_you_mean(option, known_options)
        problems.append(f"affinity: {option!r} has no effect with estimator {name}; {belongs}")
    if problems:
        raise UserError(*problems)
    return [ESTIMATORS[known]() for known in PREFERRED] if name == AUTO else [ESTIMATORS[name](**options)]


__all__ = ["AUTO", "ESTIMATORS", "Estimator", "Moment", "Sample", "make_estimators"]
