"""Affinity from what every training step computes anyway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ....balancing import TaskLosses
from ....balancing.gradients import representation_rows
from ....data.rows import map_inputs
from ....errors import UserError
from ....models import LinearHeads
from ....processes.collectives import sum_over_processes, world_size
from ..factored_gramian import JacobianProducts, by_sign, chosen_rows, factored_gramian, jacobian_products
from ..layers import Call, calls_of_whole_batch, followed_share, watched
from ..lookahead import affinity_of_gramian
from ..virtual_step import learning_rates, shared_learning_rate
from .estimator import Estimator, Moment, Sample

#: Layers that the estimate follows must hold this share of the encoder's parameters.
LEAST_SHARE = 0.8
#: Most outputs of all tasks together: the cost grows with them.
MOST_OUTPUTS = 512
#: With more, a sampling of Jacobians costs so much that there are fewer and smaller ones.
FEW_OUTPUTS = 20
TINY = torch.finfo(torch.float32).tiny


class Factored(Estimator):
    """The Gramian of all layers in nearly every step, from sums over the batch and the Jacobians of a few samples.

    See :mod:`polytask.grouping.affinity.factored_gramian`. It sees all steps, so the noise between batches, which is
    most of the error of a rarely sampled exact affinity, averages out. For encoders of linear layers and sums of
    embeddings on one vector per sample, followed by heads in one linear layer.

    Args:
        rows: Samples whose Jacobians are taken; those that matter most are preferred. Default: 64, or 32 with more than
            20 outputs of all tasks, for which a sampling costs more.
        refresh: Steps between such samplings. Default: a tenth of the steps so far, as Jacobians change most at the
            beginning and a short training has few samplings, at least the number of outputs and at most 40; with more
            than 20 outputs twice their number.
    """

    name = "factored"

    def __init__(self, rows: int | None = None, refresh: int | None = None) -> None:
        if any(number is not None and number < 1 for number in (rows, refresh)):
            raise UserError(f"affinity: rows and refresh must be at least 1, found rows={rows}, refresh={refresh}")
        self.rows, self.refresh = rows, refresh
        self._products: JacobianProducts | None = None
        self._refreshed: int | None = None
        self._followed: list[str] = []
        self._owners: Tensor | None = None
        self._watch = ExitStack()
        self._calls: list[Call] = []
        self._wide: Tensor | None = None

    def every(self, tasks: int) -> int:
        """The cost of a sample grows with the number of tasks, the accuracy of the whole hardly needs every step."""
        return max(2, 1 + tasks // 20)

    def misfit(self, moment: Moment) -> str | None:
        if not moment.plain:
            return "the encoder is compiled, or a batch goes through it in parts (accumulate)"
        heads = getattr(moment.model, "heads", None)
        if not isinstance(heads, LinearHeads) or heads.own or heads.members > 1:
            return "the tasks' heads are not one linear layer on a common representation"
        if heads.wide.out_features > MOST_OUTPUTS:
            return f"the tasks have {heads.wide.out_features} outputs together, more than {MOST_OUTPUTS}"
        if len(set(learning_rates(moment.optimizer, moment.model.shared_parameters()))) > 1:
            return "the shared parameters have several learning rates"
        encoder = moment.model.encoder
        with torch.no_grad(), _evaluating(encoder), watched(encoder) as calls:
            features = moment.model.features(moment.inputs)
        if features.dim() != 2:
            return "the encoder gives more than one vector per sample"
        share = followed_share(calls_of_whole_batch(calls, encoder, features), encoder)
        if share < LEAST_SHARE:
            return (
                "it follows linear layers and sums of embeddings on one vector of every sample, which hold "
                f"{share:.0%} of the encoder's parameters; at least {LEAST_SHARE:.0%} are needed"
            )
        return None

    def before_forward(self, moment: Moment) -> None:
        self._watch.close()  # a step that ended in an error may have left it open
        encoder, wide = moment.model.encoder, moment.model.heads.wide
        seen, mode = self._watch.enter_context(watched(encoder)), encoder.training

        def in_step() -> bool:  # others may evaluate the network in between
            return torch.is_grad_enabled() and encoder.training == mode

        def encoded(encoder: nn.Module, inputs: Any, output: Any) -> None:
            if in_step():
                self._calls = list(seen)
            seen.clear()

        def answered(layer: nn.Module, inputs: Any, output: Tensor) -> None:
            if in_step():
                self._wide = output

        for hook in (encoder.register_forward_hook(encoded), wide.register_forward_hook(answered)):
            self._watch.callback(hook.remove)

    def after_forward(self, moment: Moment, common: tuple[Tensor, ...] | None, losses: TaskLosses) -> Sample | None:
        self._watch.close()
        calls, wide = self._calls, self._wide
        assert wide is not None
        self._calls, self._wide = [], None
        # One column per output: a task's loss depends on its own outputs only.
        (errors,) = torch.autograd.grad(losses.values.sum(), wide, retain_graph=True)
        rate = shared_learning_rate(moment.optimizer, moment.model.shared_parameters)
        with torch.no_grad():
            calls = calls_of_whole_batch(calls, moment.model.encoder, wide)
            errors = by_sign(errors.float() / world_size())
            outputs, names = wide.shape[1], [call.name for call in calls]
            if not names:
                return None
            if names != self._followed or self._due(moment.step, outputs):
                number = self.rows or (64 if outputs <= FEW_OUTPUTS else 32)
                self._products = _sampled_products(moment, errors, names, number)
                self._refreshed, self._followed = moment.step, names
            assert self._products is not None
            if self._owners is None:
                self._owners = _owners(moment.model.heads, errors).repeat(2, 1)
            own = sum_over_processes(errors.T @ errors)
            products = self._owners.T @ factored_gramian(self._products, _crossed(calls, errors), own) @ self._owners
            return Sample(affinity_of_gramian(products, losses.means, rate), losses.present)

    def _due(self, step: int, outputs: int) -> bool:
        wait = self.refresh or (2 * outputs if outputs > FEW_OUTPUTS else min(max(outputs, step // 10), 40))
        return self._refreshed is None or step - self._refreshed >= wait

    def state_dict(self) -> dict[str, Any]:
        return {
            "refreshed": self._refreshed,
            "followed": self._followed,
            "products": None if self._products is None else vars(self._products),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._refreshed, self._followed = state["refreshed"], state["followed"]
        self._products = None if state["products"] is None else JacobianProducts(**state["products"])


def _crossed(calls: list[Call], errors: Tensor) -> Tensor:
    """``[L, W, W]`` Gramians of every layer's sums over the batches of all processes."""
    ones = sum_over_processes(errors.sum(0))
    bias = torch.outer(ones, ones)
    sums = [sum_over_processes(call.sums(errors)) for call in calls]
    return torch.stack(
        [
            torch.addmm(bias, total, total.T) if call.biased else total @ total.T
            for call, total in zip(calls, sums, strict=True)
        ]
    )


def _sampled_products(moment: Moment, errors: Tensor, layers: list[str], number: int) -> JacobianProducts:
    """Jacobians of some rows of the batch for the outputs of ``layers``, in evaluation mode: without dropout, and
    samples do not see each other."""
    squares = errors.square()
    rows, probability = chosen_rows((squares / squares.sum(0).clamp_min(TINY)).sum(1).sqrt(), min(number, len(errors)))
    weights = (errors[rows].abs() / probability[:, None]).T
    encoder = moment.model.encoder
    with torch.enable_grad(), _evaluating(encoder), watched(encoder) as calls:
        features = moment.model.features(map_inputs(moment.inputs, lambda leaf: leaf[rows]))
        outputs = moment.model.heads.wide(features).float().sum(0)
        calls = [call for call in calls if call.name in layers]
        jacobians = _jacobians(outputs, [call.output for call in calls])
    found = [
        jacobian_products(jacobian.float().repeat(2, 1, 1), weights, call.squared_lengths() + call.biased)
        for call, jacobian in zip(calls, jacobians, strict=True)
    ]
    return JacobianProducts(torch.stack([p.different for p in found]), torch.stack([p.same for p in found]))


def _jacobians(outputs: Tensor, layers: list[Tensor]) -> list[Tensor]:
    """``[W, N, D]`` of every layer for ``[W]`` outputs."""
    if len(outputs) > FEW_OUTPUTS:
        return representation_rows(outputs, layers)
    # Of scalars, one after another: given where to start, torch loads SymPy, which takes longer than a short training.
    each = [torch.autograd.grad(output, layers, retain_graph=True) for output in outputs.unbind()]
    return [torch.stack(rows) for rows in zip(*each, strict=True)]


def _owners(heads: LinearHeads, like: Tensor) -> Tensor:
    """``[W, K]``, 1 where the output belongs to the task."""
    tasks = sorted(task for group in heads.groups for task in group.tasks)
    owner = like.new_zeros(heads.wide.out_features, len(tasks))
    for task in tasks:
        owner[heads.task_rows(task), task] = 1
    return owner


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode for every part, and afterwards back to the mode of each."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
