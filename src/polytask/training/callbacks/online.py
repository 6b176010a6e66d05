"""Online distillation: single-task networks are trained at the same time as the student, which follows all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...distillation.feature_distance import adaptive_feature_distance
from ...distillation.online import online_task_weights
from ...errors import UserError, raise_all
from ...models import MultiTaskModel, TaskEncoder
from ...models.stages import fresh_copy
from ...processes.collectives import average_gradients, sum_over_processes, world_size
from ..callback import Callback, ForwardPass
from ..objective import Objective
from ..optimizer import Adam, make_optimizer
from .number_checks import number_problems, unused_problems
from .taps import Taps

if TYPE_CHECKING:
    from ...balancing import TaskLosses
    from ...data import Batch
    from ..loop import Training

PER_LAYER = ("sum", "mean")


class OnlineDistillation(Callback):
    """Online knowledge distillation for multi-task learning (OKD-MTL).

    A network per task learns beside the student from the same batches. The student's features follow, layer by layer, a
    learned mixture of theirs (adaptive feature distillation), and its tasks are weighted by how far their loss lags
    behind that of their own network in the last epoch (online task weighting). The weights multiply those that the
    balancer finds; the paper's balancer is ``equal``.

    Args:
        teachers: Fresh networks of one task each, by task name, with the student's encoder. Default: fresh copies of
            the encoder.
        weight: Weight of the feature distillation; 0 for none.
        layers: Stages of the encoder whose outputs are distilled, counted from the last; None for all.
        per_layer: ``sum`` or ``mean`` over the layers.
        temperature: T of the task weights.
        task_weighting: Weight the tasks online.
        cap: Largest ratio of losses that enters the task weights.
        warmup_epochs: The teachers learn alone before the first step of the student.
        stop_teacher_epoch: The teachers are frozen from this epoch; None for never.
        share_lr: Learning rate of the mixture's Adam.
        share_wd: Its weight decay.

    Raises:
        UserError: For unusable settings, or a model without hard sharing: the mixture is of one representation.

    Source:
        G. M. Jacob, V. Agarwal, B. Stenger, "Online Knowledge Distillation for Multi-Task Learning", WACV 2023. The
        form that the paper intends; two defects of the released code are not repeated, see ``docs/distillation.md``.
    """

    name = "okd"
    whole_parameters = True

    def __init__(
        self,
        teachers: Mapping[str, MultiTaskModel] | None = None,
        *,
        weight: float = 1.0,
        layers: int | None = None,
        per_layer: str = "sum",
        temperature: float = 1.0,
        task_weighting: bool = True,
        cap: float | None = None,
        warmup_epochs: float = 5,
        stop_teacher_epoch: float | None = None,
        share_lr: float = 1e-3,
        share_wd: float = 5e-4,
    ) -> None:
        problems = number_problems([("weight", weight), ("warmup_epochs", warmup_epochs), ("share_wd", share_wd),
                                    ("stop_teacher_epoch", stop_teacher_epoch)])  # fmt: skip
        problems += number_problems([("temperature", temperature), ("share_lr", share_lr), ("cap", cap)], more=True)
        problems += number_problems([("layers", layers)], 1, whole=True)
        if per_layer not in PER_LAYER:
            problems.append(f"per_layer must be one of {', '.join(PER_LAYER)}, found {per_layer!r}")
        if weight == 0:
            of_features = {"layers": layers, "per_layer": per_layer, "share_lr": share_lr, "share_wd": share_wd}
            problems += unused_problems(OnlineDistillation, of_features, "a weight above 0")
        if not task_weighting:
            problems += unused_problems(OnlineDistillation, {"temperature": temperature, "cap": cap}, "task_weighting")
        raise_all([f"okd: {problem}" for problem in problems])
        self.given = teachers
        self.weight, self.layers, self.per_layer, self.temperature = weight, layers, per_layer, temperature
        self.task_weighting, self.cap, self.warmup_epochs = task_weighting, cap, warmup_epochs
        self.stop_teacher_epoch, self.share_lr, self.share_wd = stop_teacher_epoch, share_lr, share_wd
        self._taps: list[Taps] = []

    @property
    def watches_layers(self) -> bool:
        return True

    def start(self, training: Training) -> None:
        model = training.model
        if isinstance(model.encoder, TaskEncoder):
            raise UserError(f"okd: mixes the teachers for one common representation, and sharing {model.sharing!r} has "
                            "none; use hard sharing, or mtlkd or scd")  # fmt: skip
        self._device, self._seed = training.device, training.seed
        self.teachers = self._make_teachers(training).to(self._device)
        self.objectives = [Objective(teacher.heads.groups, 1) for teacher in self._each()]
        factors = {p: factor for teacher in self._each() for p, factor in teacher.rate_factors().items()}
        self.optimizer = make_optimizer(self.teachers.parameters(), training.settings, factors)
        self._taps = [Taps(network.encoder, self.layers) for network in (model, *self._each())]
        generator = torch.Generator().manual_seed(self._seed)
        shares = torch.rand(len(self._taps[0].modules), len(training.tasks), generator=generator)
        self.shares = nn.Parameter(shares.to(self._device))
        self.share_optimizer = Adam([self.shares], lr=self.share_lr, weight_decay=self.share_wd)
        #: Sums of losses and counts of this epoch, for student and teachers.
        self.sums = torch.zeros(2, 2, len(training.tasks), dtype=torch.float64, device=self._device)
        self.ratios = torch.ones(len(training.tasks), dtype=torch.float64, device=self._device)
        self._user_weights = training.balancer.user_weights.clone()
        self._features: list[Tensor] = []

    def _make_teachers(self, training: Training) -> nn.ModuleList:
        if self.given is not None:
            missing = [task.name for task in training.tasks if task.name not in self.given]
            raise_all([f"okd: no teacher for task {name!r}; give one for every task" for name in missing])
            return nn.ModuleList([self.given[task.name] for task in training.tasks])
        with _own_randomness(self._device, self._seed):
            encoder, width = training.model.encoder, training.model.heads.wide.in_features
            return nn.ModuleList(MultiTaskModel(fresh_copy(encoder), [task], features=width) for task in training.tasks)

    def _each(self) -> Iterator[Any]:
        return iter(self.teachers)

    def before_step(self, training: Training, batch: Batch) -> None:
        if training.step == 0:
            for step in range(round(self.warmup_epochs * training.stream.steps_per_epoch)):
                ids = training.stream.ids(step)
                self._teach(training, training.train[ids.to(self._device)], step)
        self._features = []
        stopped = self.stop_teacher_epoch is not None and training.epoch >= self.stop_teacher_epoch
        if stopped:
            self.teachers.eval()
            with torch.no_grad():
                self._measure(batch)
        else:
            losses = self._teach(training, batch, -1 - training.step)
            self._add(1, losses)
        if self.weight:
            layers = zip(*(tap.read() for tap in self._taps[1:]), strict=True)
            self._features = [torch.stack([part.detach().flatten(1) for part in layer], 1) for layer in layers]

    def _measure(self, batch: Batch) -> list[TaskLosses]:
        """Every teacher's loss on its own column of a batch."""
        weights, found = batch.weights, []
        for task, (teacher, objective) in enumerate(zip(self._each(), self.objectives, strict=True)):
            column = type(batch)(
                batch.inputs,
                batch.targets[:, [task]],
                None if batch.observed is None else batch.observed[:, [task]],
                batch.ids,
                {0: batch.wide[task]} if task in batch.wide else {},
                weights if weights is None or weights.shape[1] == 1 else weights[:, [task]],
            )
            found.append(objective(teacher.grouped(batch.inputs), column))
        return found

    def _teach(self, training: Training, batch: Batch, number: int) -> list[TaskLosses]:
        """One step of every teacher that has a label in the batch."""
        self.teachers.train()
        with _own_randomness(self._device, self._seed, number):
            losses = self._measure(batch)
        torch.stack([loss.values.sum() for loss in losses]).sum().backward()
        average_gradients(self.teachers.parameters())
        for teacher, loss in zip(self._each(), losses, strict=True):
            if not loss.complete:
                teacher.zero_grad(set_to_none=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return losses

    def _add(self, who: int, losses: list[TaskLosses]) -> None:
        means = torch.cat([loss.means for loss in losses])
        counts = torch.cat([loss.counts for loss in losses])
        self.sums[who] += torch.stack([means * counts, counts])

    def extra_loss(self, training: Training, passed: ForwardPass, batch: Batch) -> Tensor | None:
        if not self.weight:
            return None
        terms = [
            adaptive_feature_distance(student.flatten(1), teachers, shares).sum()
            for student, teachers, shares in zip(self._taps[0].read(), self._features, self.shares, strict=True)
        ]
        rows = len(batch)
        if world_size() > 1:
            rows = float(sum_over_processes(torch.tensor(float(rows)))) / world_size()  # type: ignore[assignment]
        total = self.weight * torch.stack(terms).sum() / rows
        return total / len(terms) if self.per_layer == "mean" else total

    def after_backward(self, training: Training, losses: TaskLosses) -> None:
        if self.shares.grad is not None:
            average_gradients([self.shares])
            self.shares.grad /= training.gradient_scale
            if bool(self.shares.grad.isfinite().all()):
                self.share_optimizer.step()
            self.share_optimizer.zero_grad(set_to_none=True)
        self._add(0, [losses])
        if self.task_weighting and (training.step + 1) % training.stream.steps_per_epoch == 0:
            self._weigh(training)

    def _weigh(self, training: Training) -> None:
        """New task weights from the losses of this epoch; a task without a label keeps its last ratio."""
        (student, counts), (teacher, seen) = self.sums.unbind(0)
        ratios = (student / counts) / (teacher / seen).clamp_min(1e-12)
        self.ratios = torch.where(ratios.isfinite(), ratios, self.ratios)
        self.sums.zero_()
        self._apply(training)

    def _apply(self, training: Training) -> None:
        weights = online_task_weights(self.ratios, torch.ones_like(self.ratios), self.temperature, self.cap)
        training.balancer.user_weights = self._user_weights.to(self._device) * weights.float()

    def after_training(self, training: Training) -> None:
        for tap in self._taps:
            tap.remove()
        self.given, self.teachers = None, nn.ModuleList()
        training.balancer.user_weights = self._user_weights

    def state_dict(self) -> dict[str, Any]:
        return {
            "teachers": dict(self.teachers.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "shares": self.shares.detach(),
            "share_optimizer": self.share_optimizer.state_dict(),
            "sums": self.sums,
            "ratios": self.ratios,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.teachers.load_state_dict(state["teachers"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.shares.data.copy_(state["shares"])
        self.share_optimizer.load_state_dict(state["share_optimizer"])
        self.sums = state["sums"].to(self._device)
        self.ratios = state["ratios"].to(self._device)

    def resume(self, training: Training) -> None:
        if self.task_weighting:
            self._apply(training)


@contextmanager
def _own_randomness(device: torch.device, seed: int, number: int = 0) -> Iterator[None]:
    """Random numbers from a separate seed; the training's continue as if nothing had been drawn."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(hash((seed, number)) % 2**63)
        yield
