"""The methods that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polytask as pt
from polytask.balancing import BALANCERS

from .setups import SETUPS

Teachers = Mapping[str, pt.Teacher]


@dataclass(frozen=True)
class Method:
    """How one network for all tasks is trained.

    Attributes:
        balancer: Name of the balancing method.
        distil: Makes the distillation from the teachers; None for none.
        taught: Single-task teachers are needed.
        converge: Tasks converge asynchronously as well.
        tuned_as: The method whose setting it takes; its own if empty.
        options: Of ``distil``.
    """

    name: str
    balancer: str = "equal"
    distil: Callable[..., pt.Callback] | None = None
    taught: bool = False
    converge: bool = False
    tuned_as: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def callbacks(self, teachers: Teachers) -> list[pt.Callback]:
        """Fresh callbacks of a training."""
        found = []
        if self.distil is not None:
            found.append(self.distil(teachers, **self.options) if self.taught else self.distil(**self.options))
        return [*found, pt.AsynchronousConvergence(patience=3)] if self.converge else found

    def make_balancer(self) -> pt.balancing.Balancer:
        """A fresh balancer."""
        return BALANCERS[self.balancer]()


def _scd(name: str, converge: bool = False, **options: Any) -> Method:
    """A variant of SCD. It takes the setting of SCD, so that the two differ in one thing."""
    return Method(name, "equal", pt.CooperativeDistillation, True, converge, "scd" if name != "scd" else "", options)


#: ``single`` is every task alone: the teachers.
SINGLE = "single"
METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(SINGLE, taught=True),
        Method("equal"),
        Method("dwa", "dwa"),
        Method("gradnorm", "gradnorm"),
        Method("mtlkd", "equal", pt.MTLKD, True),
        Method("okd", "equal", pt.OnlineDistillation),
        _scd("scd"),
        _scd("scd_no_blocks", blocks=1),
        _scd("scd_converge", converge=True),
        _scd("scd_every_step", every=1),
        _scd("scd_every16", every=16),
        _scd("scd_every32", every=32),
        # Features alone, with the weight that they have in MTLKD; MTLKD with SCD's weights.
        _scd("scd_features", beta=1.0, kappa=0.0, every=1),
        Method("mtlkd_light", "equal", pt.MTLKD, True, options={"beta": 0.1, "kappa": 10.0, "every": 8}),
        # Both as much as labels.
        _scd("scd_outputs", beta=1.0, kappa=1.0, every=1),
        Method("mtlkd_outputs", "equal", pt.MTLKD, True, tuned_as="mtlkd", options={"kappa": 1.0}),
    )
}
#: Not run unless asked for: what the defaults of SCD are chosen from, on validation.
CHOICES = ("scd_every16", "scd_every32", "scd_outputs", "mtlkd_outputs")
STANDARD = {setup: [name for name in METHODS if name not in CHOICES] for setup in SETUPS}
