"""The methods that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polytask as pt
from polytask.balancing import BALANCERS

Teachers = Mapping[str, pt.Teacher]


@dataclass(frozen=True)
class Method:
    """How one network for all tasks is trained.

    Attributes:
        balancer: Name of the balancing method.
        distil: Makes the distillation from the teachers; None for none.
        taught: Single-task teachers are needed.
        converge: Tasks converge asynchronously as well.
        options: Of ``distil``.
    """

    name: str
    balancer: str = "equal"
    distil: Callable[..., pt.Callback] | None = None
    taught: bool = False
    converge: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def callbacks(self, teachers: Teachers) -> list[pt.Callback]:
        """Fresh callbacks of a training."""
        found = []
        if self.distil is not None:
            found.append(self.distil(teachers, **self.options) if self.taught else self.distil(**self.options))
        return [*found, pt.AsynchronousConvergence()] if self.converge else found

    def make_balancer(self) -> pt.balancing.Balancer:
        """A fresh balancer."""
        return BALANCERS[self.balancer]()


def _scd(name: str, converge: bool = False, **options: Any) -> Method:
    return Method(name, "equal", pt.CooperativeDistillation, True, converge, options)


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
        _scd("scd_simple_first", order="simple_first"),
        _scd("scd_random", order="random"),
        _scd("scd_no_blocks", blocks=1),
        _scd("scd_rsa", similarity="rsa"),
        _scd("scd_grad_cos", similarity="grad_cos"),
        _scd("scd_tag", similarity="tag"),
        _scd("scd_deficit", indicator="teacher_deficit"),
        _scd("scd_speed", indicator="speed"),
        _scd("scd_loss_ratio", indicator="loss_ratio"),
        _scd("scd_exclusive", schedule="exclusive"),
        _scd("scd_decay", schedule="decay"),
        _scd("scd_outputs", kappa=1.0),
        _scd("scd_converge", converge=True),
    )
}
#: What runs unless something else is asked for.
STANDARD = (SINGLE, "equal", "dwa", "gradnorm", "mtlkd", "okd", "scd")
