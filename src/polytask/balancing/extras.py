"""torchjd and its solvers, imported when a method that needs them is made."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..extras import require

#: Packages behind each extra of this project, by the names they are imported as.
EXTRAS: dict[str, tuple[str, ...]] = {
    "balancing": ("torchjd", "qpsolvers", "quadprog"),
    "cagrad": ("torchjd", "cvxpy", "clarabel"),
    "nash": ("torchjd", "cvxpy", "ecos"),
}


def torchjd_aggregation(method: str, extra: str = "balancing") -> Any:
    """The module ``torchjd.aggregation``.

    Args:
        method: Name of the method that asks, for the error.
        extra: The extra that holds what the method needs.

    Raises:
        UserError: If a package is missing, with the command that installs it.
    """
    require(extra, *EXTRAS[extra], needed_by=f"balancing method {method!r}")
    if "cvxpy" in EXTRAS[extra]:
        import_module("cvxpy")  # its own import may fail, which torchjd would hide until the first step
    return import_module("torchjd.aggregation")
