"""Affinity to first order, from inner products of gradients."""

from __future__ import annotations

from torch import Tensor

from ....balancing import TaskLosses
from ....balancing.gradients import GradientRows, gramian, rows_at_representation, shared_rows
from ....processes.collectives import sum_over_processes, world_size
from ..lookahead import affinity_of_gramian
from ..virtual_step import learning_rates, shared_learning_rate
from .estimator import Estimator, Moment, Sample


class Gramian(Estimator):
    """To first order ``lr g_i g_j / L_j``: the gradient of task j along a step of gradient descent on task i.

    The learning rate is that of each parameter. K backward passes through the shared part per sample; the training's
    own forward pass serves.
    """

    name = "gramian"

    def every(self, tasks: int) -> int:
        """K backward passes cost 2 K / 3 steps, or a little more: together 5 to 8 % of the training."""
        return max(36, 10 * tasks)

    def after_forward(self, moment: Moment, common: tuple[Tensor, ...] | None, losses: TaskLosses) -> Sample:
        shared = moment.model.shared_parameters()
        rows = shared_rows(losses.values, common, shared)
        products = gramian([GradientRows(row) for row in rows])
        rates = learning_rates(moment.optimizer, shared)
        if len(set(rates)) == 1:
            return Sample(affinity_of_gramian(products, losses.means, rates[0]), losses.present, gramian=products)
        scaled = gramian([GradientRows(row * rate**0.5) for row, rate in zip(rows, rates, strict=True)])
        return Sample(affinity_of_gramian(scaled, losses.means, 1.0), losses.present, gramian=products)


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
