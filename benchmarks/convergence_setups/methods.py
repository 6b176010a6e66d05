"""The methods that are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polytask as pt
from polytask.balancing import BALANCERS


@dataclass(frozen=True)
class Method:
    """How a network is trained.

    Attributes:
        balancer: Name of the balancing method.
        joint, sequential: Settings of the convergence, None for none.
        settings: Further training settings.
        tuned_as: The method whose learning rate and dropout it takes; itself if empty.
        average: What is read from a run of the method without this word: the series of the moving average, which every
            run of a plain method records beside its own (the average does not change the training).
        single: One network per task.
    """

    name: str
    balancer: str = "equal"
    joint: dict[str, Any] | None = None
    sequential: dict[str, Any] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    tuned_as: str = ""
    average: bool = False
    single: bool = False

    @property
    def trained_as(self) -> str:
        """Name of the runs that this method is read from."""
        return self.name.removesuffix("_ema") if self.average else self.name

    @property
    def plain(self) -> bool:
        """No soft labels."""
        return self.joint is None and self.sequential is None

    def make_balancer(self) -> pt.balancing.Balancer:
        """A fresh balancer."""
        return BALANCERS[self.balancer]()

    def callbacks(self) -> list[pt.Callback]:
        """The convergence. It trains to the end of the budget, so that every rule of ending can be computed later."""
        if self.joint is not None:
            return [pt.AsynchronousConvergence(**{"tail": FOREVER, **self.joint})]
        return [] if self.sequential is None else [pt.SequentialConvergence(**self.sequential)]


FOREVER = 1_000_000
#: Of the text set-up, by the evaluation at which equal weights are best.
SLOW_FIRST = ("cola", "mrpc", "stsb", "trec", "subj")
EMA = 0.98


def _plain(balancer: str, tuned_as: str = "") -> list[Method]:
    average = f"{tuned_as}_ema" if tuned_as else ""
    return [
        Method(balancer, balancer, tuned_as=tuned_as),
        Method(f"{balancer}_ema", balancer, tuned_as=average, average=True),
    ]


def _joint(name: str, tuned_as: str = "joint_3", settings: dict[str, Any] | None = None, **joint: Any) -> Method:
    return Method(name, joint=joint, tuned_as=tuned_as, settings=settings or {})


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        *_plain("equal"),
        *_plain("dwa", "equal"),
        *_plain("uw", "equal"),
        *_plain("gradnorm", "equal"),
        *_plain("upgrad", "equal"),
        Method("single", single=True, tuned_as="equal"),
        _joint("joint_1", teachers=1),
        _joint("joint_3", tuned_as="", teachers=3),
        _joint("joint_8", teachers=8),
        _joint("joint_1_at_equal", tuned_as="equal", teachers=1),
        _joint("joint_3_at_equal", tuned_as="equal", teachers=3),
        _joint("joint_8_at_equal", tuned_as="equal", teachers=8),
        _joint("joint_3_unlabelled", teachers=3, unlabelled=True),
        _joint("joint_8_mixture", teachers=8, mixture=0.5),
        _joint("joint_8_reopen", teachers=8, reopen=True),
        _joint("joint_8_patience_10", tuned_as="equal", teachers=8, patience=10),
        _joint("joint_8_ema", tuned_as="", settings={"ema": EMA}, teachers=8),
        _joint("joint_3_ema", tuned_as="joint_8_ema", settings={"ema": EMA}, teachers=3),
        _joint("joint_8_ema_at_equal", tuned_as="equal_ema", settings={"ema": EMA}, teachers=8),
        _joint("joint_3_ema_patience_10", tuned_as="equal_ema", settings={"ema": EMA}, teachers=3, patience=10),
        _joint("joint_1_ema_patience_10", tuned_as="equal_ema", settings={"ema": EMA}, teachers=1, patience=10),
        _joint("joint_8_ema_patience_10", tuned_as="equal_ema", settings={"ema": EMA}, teachers=8, patience=10),
        _joint("joint_8_ema_mixture", tuned_as="equal_ema", settings={"ema": EMA}, teachers=8, mixture=0.5),
        _joint("joint_8_ema_unlabelled", tuned_as="equal_ema", settings={"ema": EMA}, teachers=8, unlabelled=True),
        Method("sequential_slow", tuned_as="joint_3", sequential={"teachers": 3, "order": SLOW_FIRST}),
    )
}
