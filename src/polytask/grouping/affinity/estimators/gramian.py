"""Affinity to first order, from inner products of gradients."""

from __future__ import annotations

from torch import Tensor

from ....balancing import TaskLosses
from ....balancing.gradients import Dense, gramian, rows_at_representation, shared_rows
from ....processes import sum_over_processes, world_size
from ..lookahead import affinity_of_gramian
from ..virtual_step import shared_learning_rate
from .estimator import Estimator, Moment, Sample


class Gramian(Estimator):
    """``lr g_i g_j / L_j`` with the gradients of the shared parameters: lookahead by gradient descent to first order.

    K backward passes through the shared part per sample; the training's own forward pass serves.
    """

    name = "gramian"

    def every(self, tasks: int) -> int:
        """K backward passes cost 2 K / 3 steps, or a little more: together 5 to 8 % of the training."""
        return max(36, 10 * tasks)

    def after_forward(self, moment: Moment, common: tuple[Tensor, ...] | None, losses: TaskLosses) -> Sample:
        shared = moment.model.shared_parameters()
        rate = shared_learning_rate(moment.optimizer, moment.model.shared_parameters)
        products = gramian([Dense(row) for row in shared_rows(losses.values, common, shared)])
        return Sample(affinity_of_gramian(products, losses.means, rate), losses.present, gramian=products)


class Representation(Estimator):
    """As :class:`Gramian`, with the gradients at the shared representation in place of the parameters'.

    K backward passes through the heads only. Two samples that pull at the same parameters from different
    representations do not meet here, so it can be far from the exact affinity.
    """

    name = "representation"

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
