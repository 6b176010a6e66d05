"""The methods: one network for all tasks, with and without convergence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polytask as pt

#: Learning rate, dropout, position of the balancer's option.
Setting = tuple[float, float, int]
FOREVER = 1_000_000
ALPHAS = (1.5, 0.5)


@dataclass(frozen=True)
class Method:
    """How a network is trained.

    Attributes:
        balancer: Name of the balancing method.
        converge: ``joint``, ``sequential`` or empty.
        options: Of the convergence.
        tuned_as: The method whose setting it takes; its own if empty. Validation flatters a method whose teachers were
            chosen there, so that convergence is not tuned by itself.
    """

    balancer: str = "equal"
    converge: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    tuned_as: str = ""

    def grid(self, rates: tuple[float, ...], dropouts: tuple[float, ...]) -> list[Setting]:
        """Six settings: learning rates and dropouts, or for GradNorm learning rates and its alpha, in pairs."""
        if self.balancer == "gradnorm":
            return [(rate, dropouts[-1], place) for rate in rates for place in range(len(ALPHAS))]
        return [(rate, dropout, 0) for rate in rates for dropout in dropouts]

    def make_balancer(self, choice: int) -> pt.balancing.Balancer:
        options = {"alpha": ALPHAS[choice]} if self.balancer == "gradnorm" else {}
        return pt.balancing.BALANCERS[self.balancer](**options)

    def callbacks(self, slowest: list[str]) -> list[pt.Callback]:
        """The convergence.

        Args:
            slowest: Tasks, those that peak last in plain training first: the order of sequential stages.
        """
        if self.converge == "sequential":
            return [pt.SequentialConvergence(order=slowest, **self.options)]
        return [pt.AsynchronousConvergence(**self.options)] if self.converge else []


METHODS = {
    "equal": Method(),
    "uw": Method("uw"),
    "gradnorm": Method("gradnorm"),
    "joint": Method(converge="joint", tuned_as="equal"),
    "joint_errors": Method(converge="joint", options={"min_errors": 1.0}, tuned_as="equal"),
    "joint_3": Method(converge="joint", options={"teachers": 3}, tuned_as="equal"),
    "joint_uw": Method("uw", converge="joint", tuned_as="uw"),
    "sequential": Method(converge="sequential", tuned_as="equal"),
}
