"""The methods that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

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
        halfway: With ``joint``: all tasks are distilled from half the budget on, from their best evaluations up to then
            (post-hoc distillation, the plain training being the first half).
        fresh: The student of that starts from new weights.
        draws: Tuned are not learning rate and dropout (those of ``tuned_as``), but this many random static weights.
    """

    name: str
    balancer: str = "equal"
    joint: dict[str, Any] | None = None
    sequential: dict[str, Any] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    tuned_as: str = ""
    average: bool = False
    single: bool = False
    halfway: bool = False
    fresh: bool = False
    draws: int = 0

    @property
    def trained_as(self) -> str:
        """Name of the runs that this method is read from."""
        return self.name.removesuffix("_ema") if self.average else self.name

    @property
    def plain(self) -> bool:
        """No soft labels."""
        return self.joint is None and self.sequential is None

    def make_balancer(self, tasks: Sequence[pt.Task], draw: int) -> pt.balancing.Balancer:
        """A fresh balancer; static weights are K times the ``draw``-th sample of Dirichlet(1)."""
        if not self.draws:
            return BALANCERS[self.balancer]()
        weights = len(tasks) * np.random.default_rng(draw).dirichlet(np.ones(len(tasks)))
        return pt.balancing.Static({task.name: float(weight) for task, weight in zip(tasks, weights, strict=True)})

    def callbacks(self, steps: int) -> list[pt.Callback]:
        """The convergence. It trains to the end of the budget, so that every rule of ending can be computed later.

        Args:
            steps: The budget.
        """
        if self.joint is not None:
            when = {"test": "fixed", "fixed_step": steps // 2} if self.halfway else {}
            return [pt.AsynchronousConvergence(**{"tail": FOREVER, **when, **self.joint})]
        return [] if self.sequential is None else [pt.SequentialConvergence(**self.sequential)]


FOREVER = 1_000_000
#: Of the text set-up, by the evaluation at which equal weights are best.
SLOW_FIRST = ("cola", "mrpc", "stsb", "trec", "subj")
EMA = 0.98


def _plain(balancer: str) -> list[Method]:
    return [Method(balancer, balancer), Method(f"{balancer}_ema", balancer, average=True)]


def _joint(name: str, tuned_as: str = "equal_ema", ema: float | None = EMA, **joint: Any) -> Method:
    """Three teachers, and the library's defaults for tables apart from these options. Tuned as the moving average.

    Validation flatters every method that distils, because its teachers were picked there: a tuning of its own, on the
    same rows, chooses settings that overfit. ``joint_own`` shows it.
    """
    return Method(name, joint={"teachers": 3} | joint, tuned_as=tuned_as, settings={"ema": ema} if ema else {})


def _posthoc(name: str, teachers: int, fresh: bool = False) -> Method:
    """What one would do without asynchrony: train plainly, then distil one student from the peaks of all tasks."""
    return Method(
        name, joint={"teachers": teachers}, tuned_as="equal_ema", settings={"ema": EMA}, halfway=True, fresh=fresh
    )


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        *(method for balancer in ("equal", "dwa", "uw", "gradnorm", "upgrad", "pcgrad") for method in _plain(balancer)),
        Method("static", "static", tuned_as="equal", draws=6),
        Method("static_ema", "static", tuned_as="equal_ema", draws=6, average=True),
        Method("single", single=True),
        _joint("joint"),
        _joint("joint_own", tuned_as=""),
        Method("joint_pcgrad", "pcgrad", joint={"teachers": 3}, settings={"ema": EMA}, tuned_as="pcgrad_ema"),
        Method("joint_uw", "uw", joint={"teachers": 3}, settings={"ema": EMA}, tuned_as="uw_ema"),
        _joint("joint_no_ema", tuned_as="equal", ema=None),
        _joint("joint_1", teachers=1),
        _joint("joint_8", teachers=8),
        _joint("joint_patience_5", patience=5),
        _joint("joint_unlabelled", unlabelled=True),
        _joint("joint_reopen", reopen=True),
        _joint("joint_weight_3", kd_weight=3.0),
        _joint("joint_temperature_2", temperature=2.0),
        _joint("joint_logits", soft_loss="logits"),
        _joint("joint_restore", restore=True),
        _joint("joint_8_unlabelled_reopen", teachers=8, unlabelled=True, reopen=True),
        _posthoc("posthoc", teachers=3),
        _posthoc("posthoc_1", teachers=1),
        _posthoc("posthoc_fresh", teachers=3, fresh=True),
        Method("sequential_slow", sequential={"order": SLOW_FIRST}, settings={"ema": EMA}, tuned_as="equal_ema"),
        Method("sequential_given", sequential={"order": "given"}, settings={"ema": EMA}, tuned_as="equal_ema"),
        Method("sequential_own", sequential={"order": "given"}, settings={"ema": EMA}),
    )
}
