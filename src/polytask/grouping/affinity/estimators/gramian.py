"""Affinity to first order, from inner products of gradients."""

from __future__ import annotations

from torch import Tensor

from ....balancing import TaskLosses
from ....balancing.gradients import GradientRows, gramian, rows_at_representation, shared_rows
from ....errors import UserError, did_you_mean
from ....processes.collectives import sum_over_processes, world_size
from ..lookahead import affinity_of_falls, affinity_of_gramian, first_order_falls
from ..virtual_step import LOOKAHEADS, learning_rates, shared_learning_rate, virtual_step
from .estimator import Estimator, Moment, Sample


class Gramian(Estimator):
    """To first order ``g_j (theta - theta_i) / L_j``: the gradient of task j along the step that task i would take.

    For plain gradient descent that is ``lr g_i g_j / L_j``, with the learning rate of each parameter. K backward passes
    through the shared part per sample; the training's own forward pass serves.

    Args:
        lookahead: The step: ``sgd`` (without weight decay), or, at its present state and scaling, that of SGD with
            ``momentum`` or of the training's ``optimizer``, such as Adam; see
            :func:`~polytask.grouping.affinity.virtual_step.virtual_step`.
    """

    name = "gramian"

    def __init__(self, lookahead: str = "sgd") -> None:
        if lookahead not in LOOKAHEADS:
            raise UserError(f"affinity: lookahead {lookahead!r} is not known; {did_you_mean(lookahead, LOOKAHEADS)}")
        self.lookahead = lookahead

    def every(self, tasks: int) -> int:
        """K backward passes cost 2 K / 3 steps, or a little more: together 5 to 8 % of the training."""
        return max(36, 10 * tasks)

    def after_forward(self, moment: Moment, common: tuple[Tensor, ...] | None, losses: TaskLosses) -> Sample:
        shared = moment.model.shared_parameters()
        rows = shared_rows(losses.values, common, shared)
        products = gramian([GradientRows(row) for row in rows])
        if self.lookahead == "sgd":
            rates = learning_rates(moment.optimizer, shared)
            if len(set(rates)) == 1:
                return Sample(affinity_of_gramian(products, losses.means, rates[0]), losses.present, gramian=products)
            scaled = gramian([GradientRows(row * rate**0.5) for row, rate in zip(rows, rates, strict=True)])
            return Sample(affinity_of_gramian(scaled, losses.means, 1.0), losses.present, gramian=products)
        step = virtual_step(self.lookahead, moment.optimizer, shared)
        affinity = affinity_of_falls(first_order_falls(rows, shared, step), losses.means)
        return Sample(affinity, losses.present, gramian=products)


class RepresentationGramian(Estimator):
    """As :class:`Gramian` for gradient descent, with the gradients at the shared representation.

    K backward passes through the heads only. Two samples that pull at the same parameters from different
    representations do not meet here, so it can be far from the exact affinity.
    """

    name = "representation"
    of_parameters = False

    def every(self, tasks: int) -> int:
        return 10

    def misfit(self, moment: Moment) -> str | None:
        return None if moment.model.has_cut else "the model has no representation at which its shared part ends"

    def after_forward(self, moment: Moment, common: tuple[Tensor, ...] | None, losses: TaskLosses) -> Sample:
        assert common is not None
        rate = shared_learning_rate(moment.optimizer, moment.model.shared_parameters)
        products = gramian(rows_at_representation(losses.values, common))
        # Every process holds other rows of the batch, whose gradients carry the factor world_size.
        products = sum_over_processes(products) / world_size() ** 2
        return Sample(affinity_of_gramian(products, losses.means, rate), losses.present, gramian=products)
