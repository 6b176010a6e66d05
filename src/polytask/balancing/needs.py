"""What a method asks of the loop that uses it, as data: a loop reads this and never a method's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Where gradients come from, cheapest first.
Gradients = Literal["none", "last_layer", "representation", "gramian", "exact"]


@dataclass(frozen=True)
class Needs:
    """Needs of a method, beyond the losses.

    Attributes:
        gradients: ``none``; ``last_layer``: of the last shared layer; ``representation``: at the shared representation
            (``features=``); ``gramian``: inner products of the rows of ``exact`` without storing them; ``exact``: one
            gradient per task for all shared parameters (``shared=``).
        metrics: ``training`` or ``validation`` if the method wants
            :meth:`~polytask.balancing.Balancer.observe_metrics` after every evaluation.
        second_forward: The method wants :meth:`~polytask.balancing.Balancer.after_step` after every optimiser step.
        epochs: The method wants :meth:`~polytask.balancing.Balancer.end_epoch`; its weights do not move without.
        losses: ``positive`` if losses below 0 (or below the lower bound that the method is given) are refused, because
            the method takes their logarithm or divides by them.
    """

    gradients: Gradients = "none"
    metrics: Literal["training", "validation"] | None = None
    second_forward: bool = False
    epochs: bool = False
    losses: Literal["any", "positive"] = "any"
