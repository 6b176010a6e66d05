"""The methods that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import torch

import polytask as pt
from polytask.task.gain import sign
from polytask.training.evaluation import Evaluation, task_targets
from polytask.training.loop import Training

from .setups import SETUPS

Teachers = Mapping[str, pt.Teacher]
#: Learning rate, dropout, and the position of a choice.
Setting = tuple[float, float, int]
#: Of the learning rates of methods without choices.
FACTORS = (1.0, 0.5, 2.0)


@dataclass(frozen=True)
class Method:
    """How one network for all tasks is trained.

    Attributes:
        balancer: Makes the balancing method.
        distil: Makes the distillation from the teachers; None for none.
        taught: Single-task teachers are needed.
        cross_fitted: What a teacher says of a row is by a model of its task that has not learned from it.
        converge: Tasks converge asynchronously as well.
        tuned_as: The method whose setting it takes; its own if empty.
        elsewhere: It is the method that it is tuned as, with the choice that is best on the other set-ups.
        options: Of ``distil``, or of the balancer where there is none.
        choices: Further options, one of which is chosen together with the learning rate. A method without any has as
            many more learning rates to choose from, so that all have the same number of trials.
    """

    name: str
    balancer: Callable[..., pt.balancing.Balancer] = pt.balancing.Equal
    distil: Callable[..., pt.Callback] | None = None
    taught: bool = False
    cross_fitted: bool = False
    converge: bool = False
    tuned_as: str = ""
    elsewhere: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    choices: tuple[dict[str, Any], ...] = ({},)

    def grid(self, learning_rates: Sequence[float], dropouts: Sequence[float]) -> list[Setting]:
        """What it is tuned on."""
        if len(self.choices) > 1:
            return list(product(learning_rates, dropouts, range(len(self.choices))))
        return [(rate * factor, dropout, 0) for rate, dropout, factor in product(learning_rates, dropouts, FACTORS)]

    def callbacks(self, teachers: Teachers, choice: int) -> list[pt.Callback]:
        """Fresh callbacks of a training."""
        found, options = [], self.choices[choice] | self.options
        if self.distil is not None:
            found.append(self.distil(teachers, **options) if self.taught else self.distil(**options))
        return [*found, pt.AsynchronousConvergence(patience=3)] if self.converge else found

    def make_balancer(self, choice: int) -> pt.balancing.Balancer:
        """A fresh balancer."""
        return self.balancer(**(self.choices[choice] | self.options if self.distil is None else {}))


class WhereBetter(pt.MTLKD):
    """Distillation of outputs that ends for a task where the student is better than its teacher, beyond the error of
    the student's metric, and begins again where it is not."""

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        for position, task in enumerate(training.tasks):
            teacher, student = self.teachers[task.name].level, evaluation.validation[task.name]
            ahead = sign(task.metric_definition.direction) * (student - teacher)
            self._betas[position] = self.beta * float(not ahead > evaluation.errors.get(task.name, 0.0))
        self._known = None  # new weights
        super().after_evaluation(training, evaluation)


class ByCount(pt.MTLKD):
    """Distillation of outputs with more weight for tasks that have few labels (classes: few of the rarest).

    Weights go with the square root of the number, and their mean is that of all tasks alike.
    """

    def start(self, training: Training) -> None:
        super().start(training)
        numbers = torch.tensor([_labels(training, place) for place in range(len(training.tasks))]).clamp_min(1)
        shares = numbers.float().rsqrt()
        self._betas = [beta * share for beta, share in zip(self._betas, (shares / shares.mean()).tolist(), strict=True)]


def _labels(training: Training, place: int) -> int:
    """Labels of a task, of classes those of the rarest that there is."""
    _, targets = task_targets(training.train, place)
    return int(torch.unique(targets, return_counts=True)[1].min()) if training.tasks[place].classes else len(targets)


SCD_WEIGHTS = ({"beta": 0.1, "kappa": 10.0}, {"beta": 1.0, "kappa": 1.0}, {"beta": 0.03, "kappa": 100.0})
OUTPUT_WEIGHTS = tuple({"beta": beta} for beta in (1.0, 0.3, 3.0))
OUTPUTS = {"features": False, "kappa": 1.0}


def _scd(name: str, converge: bool = False, **options: Any) -> Method:
    """A variant of SCD. It takes the setting of SCD, so that the two differ in one thing."""
    tuned_as = "scd" if name != "scd" else ""
    return Method(name, distil=pt.CooperativeDistillation, taught=True, converge=converge, tuned_as=tuned_as,
                  options=options, choices=SCD_WEIGHTS)  # fmt: skip


def _outputs(name: str, distil: Callable[..., pt.Callback], **options: Any) -> Method:
    """Distillation of the teachers' outputs alone."""
    return Method(name, distil=distil, taught=True, options=OUTPUTS | options, choices=OUTPUT_WEIGHTS)


#: ``single`` is every task alone: the teachers.
SINGLE = "single"
METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(SINGLE, taught=True),
        Method("equal"),
        Method("dwa", pt.balancing.DWA, choices=({}, {"temperature": 1.0}, {"temperature": 5.0})),
        Method("gradnorm", pt.balancing.GradNorm, choices=({}, {"alpha": 0.5}, {"alpha": 0.1})),
        Method("uw", pt.balancing.UncertaintyWeighting),
        Method("mtlkd", distil=pt.MTLKD, taught=True, choices=OUTPUT_WEIGHTS),
        Method("okd", distil=pt.OnlineDistillation, choices=({}, {"weight": 0.1}, {"weight": 0.01})),
        _outputs("outputs", pt.MTLKD),
        _outputs("outputs_where_better", WhereBetter),
        replace(_outputs("outputs_uw", pt.MTLKD), balancer=pt.balancing.UncertaintyWeighting),
        replace(_outputs("outputs_by_count", ByCount), tuned_as="outputs"),
        replace(_outputs("outputs_cross_fitted", pt.MTLKD), tuned_as="outputs", cross_fitted=True),
        _scd("scd"),
        # No queue: all blocks are distilled after the warm-up.
        _scd("scd_no_blocks", blocks=1),
        # The blocks and the queue without features, which every other step of SCD is about.
        _scd("scd_outputs", features=False),
        _scd("scd_every_step", every=1),
        _scd("scd_converge", converge=True),
        *(Method(f"{name}_elsewhere", tuned_as=name, elsewhere=True) for name in ("scd", "mtlkd", "outputs")),
    )
}
STANDARD = {setup: [name for name, method in METHODS.items() if not method.elsewhere] for setup in SETUPS}
