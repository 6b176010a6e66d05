"""Weights that the user fixes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...errors import raise_all
from ..balancer import Balancer
from ..task_losses import TaskLosses


class Static(Balancer):
    """Fixed weights per task, used as they are given: tuned well, the strongest simple method.

    ``total = sum_t c_t L_t``.

    Args:
        values: Weight by task name, at least 0; a task that is left out has the weight 1.
        absent: See :class:`~polytask.balancing.Balancer`; by default the weights stay as given.

    Cost:
        None per step; the tuning is the cost. Draw weights from K times a Dirichlet(1), tune the learning rate with
        them.

    When to choose it:
        If one task matters more. Tuned for all tasks they gained nothing over equal ones on six tables (-.016 ± .038),
        but no method has been shown to beat the front of tuned static weights either.

    Raises:
        UserError: If a weight is negative or not finite, or for an unknown task.

    Example:
        >>> weight = torch.ones(2, requires_grad=True)
        >>> Static({"price": 0.5}).backward({"click": weight[0] ** 2, "price": 3 * weight[1]})
        {'click': 1.0, 'price': 0.5}
        >>> weight.grad
        tensor([2.0000, 1.5000])

    Source:
        V. Kurin et al., "In Defense of the Unitary Scalarization for Deep Multi-Task Learning", NeurIPS 2022,
        arXiv:2201.04122; D. Xin et al., NeurIPS 2022, arXiv:2209.11379.
    """

    name = "static"
    adapts = False

    def __init__(self, values: Mapping[str, float], *, absent: str = "keep") -> None:
        super().__init__(absent=absent)
        raise_all(
            [
                f"static weight of {name!r}: expected a number of at least 0, found {value}"
                for name, value in values.items()
                if not 0 <= float(value) < float("inf")
            ]
        )
        self.values = {name: float(value) for name, value in values.items()}
        self.fixed: Tensor
        self.register_buffer("fixed", torch.ones(0))

    def _start(self, tasks: int) -> None:
        self._check_names("static weights", self.values)
        self.fixed = torch.tensor([self.values.get(task, 1.0) for task in self.tasks])

    def weights(self, losses: TaskLosses) -> Tensor:
        return self.fixed
