"""TAG with the step of the training's own optimiser, which predicted gains no better than plain gradient descent."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from polytask.grouping.affinity import Moment, Sample, affinity_of_losses, lookahead_losses
from polytask.grouping.affinity.estimators.exact import Lookahead


class OwnStep(Lookahead):
    """The step of the training's optimiser from its present state, momentum included."""

    name = "own_step"

    def before_forward(self, moment: Moment) -> Sample:
        shared = moment.model.shared_parameters()

        def step(gradients: Sequence[Tensor | None]) -> list[Tensor]:
            return followed(moment.optimizer, shared, gradients)

        before, after = lookahead_losses(moment.model, moment.forward, shared, step)
        return Sample(affinity_of_losses(before.means, after), before.present)


def followed(optimizer: Optimizer, shared: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor]:
    """A twin of the optimiser, of the same kind, settings and state, takes the step on copies of the parameters."""
    twins = {id(parameter): nn.Parameter(parameter.detach().clone()) for parameter in shared}
    groups = [
        {**group, "params": [twins[id(p)] for p in group["params"] if id(p) in twins]}
        for group in optimizer.param_groups
    ]
    kind: Any = type(optimizer)
    twin: Optimizer = kind([group for group in groups if group["params"]])
    for parameter, gradient in zip(shared, gradients, strict=True):
        copied = twins[id(parameter)]
        if state := optimizer.state.get(parameter):
            twin.state[copied] = copy.deepcopy(state)
        copied.grad = None if gradient is None else gradient.to(copied.dtype)
    twin.step()
    return [twins[id(parameter)].detach() for parameter in shared]
