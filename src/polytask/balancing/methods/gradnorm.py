"""GradNorm: weights that bring the tasks' gradients to norms which let all learn at one speed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite, isnan
from typing import Any

import torch
from torch import Tensor

from ...errors import UserError, raise_all
from ...processes.collectives import sum_over_processes, world_size
from ..adam import adam
from ..gradient_balancer import GradientBalancer, StepTensors
from ..gradients import gramian, parameter_rows, rows_at_representation
from ..last_layer import last_layer_rows
from ..needs import Needs
from ..step_graph import Differentiated
from ..task_losses import TaskLosses

#: Directions times tasks, at most, by default; the width of a layer up to which to measure all of it costs no more;
#: and at how many of its outputs a wider one is measured.
WORK, NARROW, OUTPUTS = 320, 64, 128
L0 = ("first", "first_epoch", "logC")
OPTIMISERS = ("adam", "sgd")


def gradnorm_gradient(
    weights: Sequence[float],
    norms: Sequence[float],
    losses: Sequence[float],
    first: Sequence[float],
    alpha: float = 1.5,
) -> list[float]:
    """``sign(w_t n_t - tau_t) n_t``: the gradient of ``sum_t |w_t n_t - tau_t|`` for a constant target tau.

    Args:
        weights: K numbers.
        norms: K norms of the gradients of the unweighted losses for the last shared layer.
        losses: K losses.
        first: K losses at the start, more than 0.
        alpha: How strongly slow tasks are pulled: ``tau_t = mean(w n) r_t^alpha``, ``r_t`` the loss ratio
            ``losses / first`` relative to its mean.

    Example:
        >>> gradnorm_gradient([1, 1, 1], norms=[2, 1, .5], losses=[.5, 2, 1], first=[1, 2.5, 4])
        [2, -1, 0.5]
    """
    ratios = [loss / start for loss, start in zip(losses, first, strict=True)]
    scaled = [weight * norm for weight, norm in zip(weights, norms, strict=True)]
    mean_ratio, mean_scaled = max(sum(ratios) / len(ratios), 1e-12), sum(scaled) / len(scaled)
    targets = [mean_scaled * (ratio / mean_ratio) ** alpha for ratio in ratios]
    return [
        norm if one > target else -norm if one < target else 0.0
        for norm, one, target in zip(norms, scaled, targets, strict=True)
    ]


class GradNorm(GradientBalancer):
    """Gradient normalisation: slow tasks get larger gradients, until all learn at the same relative speed.

    With the norms ``n_t`` of the gradients of the unweighted losses for the last shared layer, the weights follow the
    gradient of ``sum_t |w_t n_t - tau_t|``, ``tau_t = mean_j(w_j n_j) r_t^alpha`` held constant, ``r_t`` the ratio of
    the loss to its start relative to the mean ratio; then ``w <- max(w, w_min)`` and ``w <- K w / sum w``. The total is
    ``sum_t w_t L_t``, heads included. Since tau is constant, no second derivative is needed.

    Args:
        alpha: Strength; 1.5 in the paper for NYUv2. Try 0.1 to 2: larger for tasks that differ much in complexity.
        lr: Step size of the weights; 0.025 in the paper.
        optimiser: ``adam`` or ``sgd``, for the weights.
        l0: Start of each loss: ``first`` step; mean of the ``first_epoch`` (weights stay 1 during it); ``logC`` for a
            classification whose first loss depends on the initialisation, with ``classes``; or a number per task name.
        classes: Number of classes by task name for ``logC``; tasks without one take their first loss.
        w_min: Minimum weight before renormalising; ours.
        gradients: ``last_layer``: the last of ``shared`` that is a matrix or more (give only that one to say which).
            ``representation``: norms at the shared representation. ``exact``: of all shared parameters.
        directions: Directions along which the norms for a linear last layer are measured: the mean of its inputs and
            random ones. ``exact`` (or a number from that of the layer's inputs on) costs a backward pass through the
            layer per task. By default exact for up to 64 inputs; for more 16 directions with up to 20 tasks and fewer
            with more (at least 4), at evenly spaced outputs of the layer, about 128 of them. The error of a
            norm in a single step is then 12 to 14 % at the start of training and 9 to 12 % later, with 4 directions 23
            to 28 % (``benchmarks/gradnorm_sketch.py``); it is new in every step, and ``lr`` averages over steps.
        every: Steps between updates of the weights.

    Cost:
        With linear heads on a linear last layer a seventh of a small network's step for nine tasks and a quarter for
        forty, and little of a large one's. Otherwise the part of the backward pass from each loss down to the last
        shared layer, per task.

    When to choose it:
        Losses or gradients of very different scale, tasks that start together; it finds in one run what a search of
        static weights would.

    Deviations:
        The public implementations differ: weights through a softmax, start after the first epoch, norms for all shared
        parameters (LibMTL); clipping to [0.1, 10] (TAG's code). Here the paper is followed, except that norms are
        measured along ``directions``; ``l0``, ``gradients`` and ``w_min`` are further options.

    Source:
        Z. Chen, V. Badrinarayanan, C.-Y. Lee, A. Rabinovich, "GradNorm: Gradient Normalization for Adaptive Loss
        Balancing in Deep Multitask Networks", ICML 2018, PMLR 80:794-803, arXiv:1711.02257, Algorithm 1.
    """

    name = "gradnorm"
    sees = "gradient norms per task"
    sources = ("last_layer", "representation", "exact")

    def __init__(
        self,
        alpha: float = 1.5,
        *,
        lr: float = 0.025,
        optimiser: str = "adam",
        l0: str | Mapping[str, float] = "first",
        classes: Mapping[str, int] | None = None,
        w_min: float = 1e-3,
        gradients: str = "last_layer",
        directions: int | str | None = None,
        every: int = 1,
    ) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=True)
        self._check(optimiser=(optimiser, OPTIMISERS), **({"l0": (l0, L0)} if isinstance(l0, str) else {}))
        self._check_range(alpha=(alpha, 0, 10), lr=(lr, 0, float("inf")), w_min=(w_min, 1e-12, 1))
        if isinstance(directions, str):
            self._check(directions=(directions, ("exact",)))
        elif directions is not None:
            self._check_range(directions=(directions, 2, float("inf")))
        if l0 == "logC" and not classes:
            raise UserError("balancer 'gradnorm': l0='logC' needs classes, such as {'intent': 7}")
        self.alpha, self.lr, self.optimiser, self.l0, self.w_min = alpha, lr, optimiser, l0, w_min
        self.classes, self.directions = dict(classes or {}), directions
        self.first: Tensor
        self.sums: Tensor
        self.moments: Tensor
        for name in ("first", "sums", "moments"):
            self.register_buffer(name, torch.zeros(0))

    @property
    def needs(self) -> Needs:
        return replace(super().needs, losses="positive", epochs=self.l0 == "first_epoch")

    def cost(self, shared: Iterable[Tensor]) -> str:
        steps = "per step" if self.every == 1 else f"every {self.every} steps"
        return f"{steps}: backward passes of {len(self.tasks)} tasks down to {self.gradients.replace('_', ' ')}"

    def _start(self, tasks: int) -> None:
        super()._start(tasks)
        given: dict[str, Any] = dict(self.l0) if isinstance(self.l0, Mapping) else {}
        if self.l0 == "logC":
            given = {task: torch.tensor(float(number)).log().item() for task, number in self.classes.items()}
        self._check_names("gradnorm: l0", given)
        raise_all([f"gradnorm: l0 of {k!r}: expected more than 0, found {v}" for k, v in given.items() if not v > 0])
        self.first = torch.tensor([float(given.get(task, torch.nan)) for task in self.tasks])
        self.sums = torch.zeros(2, tasks, dtype=torch.float64)
        self.moments = torch.zeros(3, tasks)

    def _update(self, step: StepTensors, backward: Callable[[Tensor], object], *, new: bool) -> Tensor:
        """The weights of this step, then new ones for the next from this step's norms, as in the paper's algorithm."""
        losses, found = step.losses, self.found
        if not losses.complete:  # the present tasks' weights sum to their number
            found = torch.where(losses.present, found, 0.0)
            found = found * (losses.present.sum() / found.sum())
        squares = self._squares(step) if new else None
        weights = self._weigh(found, step)
        self._finish(step, weights, weights, None, backward)
        self._remember_start(losses)  # after the backward pass was started: to read a number is to wait for a device
        if squares is not None:
            self._learn(losses, squares.tolist())
        return weights

    def _remember_start(self, losses: TaskLosses) -> None:
        if self.l0 == "first_epoch":
            counts = torch.where(losses.usable, losses.counts, 0.0)
            self.sums += torch.stack([torch.where(losses.usable, losses.means, 0.0) * counts, counts])
            return
        first = self.first.tolist()
        if any(isnan(start) for start in first):
            known = zip(first, losses.means.tolist(), losses.counts.tolist(), strict=True)
            begun = [mean if isnan(start) and count > 0 and isfinite(mean) else start for start, mean, count in known]
            self.first = self.first.new_tensor(begun)

    def end_epoch(self) -> None:
        super().end_epoch()
        if not self.tasks:  # an epoch without a step
            return
        sums, counts = self.sums
        self.first = torch.where(self.first.isnan() & (counts > 0), sums / counts, self.first).to(self.first.dtype)
        self.sums = torch.zeros_like(self.sums)

    def _squares(self, step: StepTensors) -> Tensor:
        """``[n]`` squared norms of the unweighted losses' gradients."""
        for losses in step.attempts(step.differentiated):
            squares = self._squares_of(losses, step)
            if losses.factors is None or bool(torch.isfinite(squares).all()):
                break
        return squares

    def _squares_of(self, losses: Differentiated, step: StepTensors) -> Tensor:
        if step.source == "representation":
            assert step.features is not None
            squares = gramian(rows_at_representation(losses, step.features)).diagonal()
            return sum_over_processes(squares) / world_size() ** 2
        assert step.shared is not None
        shared, rows = step.shared, None
        if step.source == "last_layer":
            shared = [last_layer(shared)]
            shape = torch.atleast_2d(shared[0]).shape
            number, every = self._number(shape[-1]), self._every(*shape)
            rows = last_layer_rows(
                losses, step.features or (), shared[0], directions=number, every=every, seed=self.steps
            )
        if rows is not None:
            return rows.square().sum((1, 2))
        blocks = parameter_rows(losses, step.features, shared)
        return torch.stack([block.rows.flatten(1).square().sum(1) for block in blocks]).sum(0)

    def _number(self, width: int) -> int:
        """Directions for a layer of this many inputs."""
        if self.directions == "exact" or (self.directions is None and width <= NARROW):
            return width
        return int(self.directions or max(4, min(16, WORK // len(self.tasks))))

    def _every(self, outputs: int, inputs: int, *others: int) -> int:
        """The gradients are measured at one in this many of the layer's outputs."""
        return 1 if self.directions is not None or inputs <= NARROW else max(1, outputs // OUTPUTS)

    def _learn(self, losses: TaskLosses, squares: Sequence[float]) -> None:
        """The weights of the next step. In plain numbers: operations on such small tensors would take longer."""
        weights, first, means = self.found.tolist(), self.first.tolist(), losses.means.tolist()
        present = [task for task, count in enumerate(losses.counts.tolist()) if count > 0]
        norms = {task: square**0.5 for task, square in zip(present, squares, strict=True)}
        chosen = [t for t in present if isfinite(norms[t]) and isfinite(means[t]) and not isnan(first[t])]
        if not chosen:
            return
        gradient = gradnorm_gradient(
            [weights[t] for t in chosen],
            [norms[t] for t in chosen],
            [means[t] for t in chosen],
            [max(first[t], 1e-12) for t in chosen],
            self.alpha,
        )
        moments = self.moments.T.tolist()
        for t, slope in zip(chosen, gradient, strict=True):
            if self.optimiser == "adam":
                weights[t], moments[t] = adam(weights[t], slope, moments[t], self.lr)
            else:
                weights[t] -= self.lr * slope
        weights = [max(weight, self.w_min) for weight in weights]
        share = len(weights) / sum(weights)
        self.found = self.found.new_tensor([share * weight for weight in weights])
        self.moments = self.moments.new_tensor(moments).T.contiguous()

    def _forget(self, task: int) -> None:
        self.first[task] = torch.nan
        self.sums[:, task] = 0
        self.moments[:, task] = 0


def last_layer(shared: Sequence[Tensor]) -> Tensor:
    """The last of ``shared`` that is a matrix or more.

    Example:
        >>> last_layer(list(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 5)).parameters())).shape
        torch.Size([5, 3])
    """
    matrices = [parameter for parameter in shared if parameter.ndim > 1]
    return matrices[-1] if matrices else shared[-1]
