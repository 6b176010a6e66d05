"""Distillation of features (and outputs) from single-task teachers into the student, block by block of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Adam

from ...distillation.feature_distance import Adaptors, normalised
from ...distillation.teachers import Teacher, check_teachers
from ...errors import UserError, raise_all
from ...processes import average_gradients, sum_over_processes, world_size
from ..optimizer import absent_tasks_kept
from .callback import Callback, ForwardPass

if TYPE_CHECKING:
    from ...balancing import TaskLosses
    from ...data import Batch
    from ..loop import Training


class Block:
    """Tasks that are distilled together: their teachers' features, and adaptors with an optimiser of their own.

    Args:
        tasks: Positions of the tasks.
        features: ``[n, D_t]`` of their teachers.
        width: Of the student's features.
        learning_rate: Of the adaptors' Adam.
        weight_decay: Likewise.
        seed: Of the adaptors.
        device: Where they live.
    """

    def __init__(
        self,
        tasks: Sequence[int],
        features: Sequence[Tensor],
        width: int,
        learning_rate: float,
        weight_decay: float,
        seed: int,
        device: torch.device,
    ) -> None:
        self.tasks = list(tasks)
        sizes = sorted({part.shape[1] for part in features})
        # Teachers of equal width are computed together.
        self.groups = [[i for i, part in enumerate(features) if part.shape[1] == size] for size in sizes]
        self.targets = [torch.stack([normalised(features[i]) for i in g], 1).to(device) for g in self.groups]
        self.adaptors = [
            Adaptors(len(group), width, size, seed).to(device) for group, size in zip(self.groups, sizes, strict=True)
        ]
        self.parameters = [adaptor.weight for adaptor in self.adaptors]
        self.optimizer = Adam([{"params": self.parameters}], lr=learning_rate, weight_decay=weight_decay, fused=True)
        self.counts = torch.ones(len(self.tasks))

    def distances(self, features: Tensor, ids: Tensor) -> Tensor:
        """``[B, k]`` normalised feature distances of a batch, in the order of the tasks."""
        features = features.float()
        found: list[Tensor] = [torch.empty(0)] * len(self.tasks)
        for group, target, adaptor in zip(self.groups, self.targets, self.adaptors, strict=True):
            own = features[:, [self.tasks[i] for i in group]] if features.ndim == 3 else features
            part = (normalised(adaptor(own)) - target.index_select(0, ids)).square().sum(-1)
            if len(self.groups) == 1:
                return part
            for i, column in zip(group, part.unbind(1), strict=True):
                found[i] = column
        return torch.stack(found, 1)

    def step(self, scale: float) -> None:
        """Update the adaptors; those of tasks without a row in this batch stay as they are."""
        average_gradients(self.parameters)
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        if scale != 1.0:
            for gradient in gradients:
                gradient /= scale
        absent = {i for i, count in enumerate(self.counts.tolist()) if not count}
        parts = [
            (adaptor.weight, slice(place, place + 1))
            for group, adaptor in zip(self.groups, self.adaptors, strict=True)
            for place, i in enumerate(group)
            if i in absent
        ]
        if scale == 1.0 or all(bool(gradient.isfinite().all()) for gradient in gradients):
            with absent_tasks_kept(self.optimizer, parts) if parts else nullcontext():
                self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Adaptors and their optimiser."""
        return {
            "adaptors": [parameter.detach() for parameter in self.parameters],
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        with torch.no_grad():
            for parameter, saved in zip(self.parameters, state["adaptors"], strict=True):
                parameter.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])


class Distilling(Callback):
    """What MTLKD and cooperative distillation have in common: the term that is added to the balanced losses.

    ``sum_t beta_t (d(A_t(student), teacher_t) + kappa soft_loss_t)`` over the tasks of the blocks that are on, ``d``
    the normalised feature distance and ``A_t`` linear adaptors, which are dropped at the end.

    Args:
        teachers: By task name, recorded for the training rows.
        beta: Weight of the distillation, for all tasks or by name; beside the task's own weight.
        kappa: Weight of the distillation of outputs relative to that of features.
        temperature: Softens outputs of class kinds.
        features: Distil features; otherwise outputs only.
        adaptor_lr: Learning rate of the adaptors' Adam.
        adaptor_wd: Its weight decay.
        unlabelled: Distil a task also on rows where it has no label. Default: yes, unless the rows come from several
            data sets.

    Raises:
        UserError: For numbers out of range.
    """

    def __init__(
        self,
        teachers: Mapping[str, Teacher],
        *,
        beta: float | Mapping[str, float] = 1.0,
        kappa: float = 0.0,
        temperature: float = 1.0,
        features: bool = True,
        adaptor_lr: float = 0.1,
        adaptor_wd: float = 5e-4,
        unlabelled: bool | None = None,
    ) -> None:
        self.teachers = dict(teachers)
        self.beta, self.kappa, self.temperature, self.features = beta, kappa, temperature, features
        self.adaptor_lr, self.adaptor_wd, self.unlabelled = adaptor_lr, adaptor_wd, unlabelled
        weights = beta.values() if isinstance(beta, Mapping) else [beta]
        numbers = [*(("beta", value) for value in weights), ("kappa", kappa), ("adaptor_wd", adaptor_wd)]
        problems = [f"{name} must be at least 0, found {value}" for name, value in numbers if not value >= 0]
        positive = (("temperature", temperature), ("adaptor_lr", adaptor_lr))
        problems += [f"{name} must be more than 0, found {value}" for name, value in positive if not value > 0]
        if not features and not kappa:
            problems.append("without features, kappa must be more than 0: nothing would be distilled")
        raise_all([f"{self.name}: {problem}" for problem in problems])
        #: Blocks that have begun, by their place in the queue, and the weights of those that are on.
        self.blocks: dict[int, Block] = {}
        self.on: dict[int, float] = {}
        self._used = False

    def start(self, training: Training) -> None:
        if self.features:
            check_teachers(self.teachers, training.tasks, len(training.train), features=True)
        if self.kappa:
            check_teachers(self.teachers, training.tasks, len(training.train), features=False)
        self.blocks, self.on = {}, {}
        self._names = [task.name for task in training.tasks]
        beta = self.beta if isinstance(self.beta, Mapping) else dict.fromkeys(self._names, self.beta)
        unknown = [name for name in beta if name not in self._names]
        raise_all([f"{self.name}: beta: {name!r} is not a task" for name in unknown])
        self._device = training.fabric.device
        self._betas = [float(beta.get(name, 1.0)) for name in self._names]
        self._width, self._seed = training.model.heads.wide.in_features, training.seed
        self._outputs = {
            position: outputs.to(self._device)
            for position, name in enumerate(self._names)
            if self.kappa and (outputs := self.teachers[name].outputs) is not None
        }
        self._everywhere = training.train.source is None if self.unlabelled is None else self.unlabelled

    def make_block(self, tasks: Sequence[int]) -> Block:
        """Fresh adaptors and a fresh optimiser for some tasks."""
        features = [self.teachers[self._names[task]].features for task in tasks] if self.features else []
        known = [part for part in features if part is not None]
        seed = self._seed + min(tasks)
        return Block(tasks, known, self._width, self.adaptor_lr, self.adaptor_wd, seed, self._device)

    def extra_loss(self, training: Training, passed: ForwardPass, batch: Batch) -> Tensor | None:
        terms = []
        for number, weight in self.on.items():
            block = self.blocks[number]
            betas = [weight * self._betas[task] for task in block.tasks]
            if not any(betas):
                continue
            elements = block.distances(passed.features, batch.ids) if self.features else None
            if self.kappa:
                soft = self.kappa * self._output_distances(training, passed, batch, block.tasks)
                elements = soft if elements is None else elements + soft
            assert elements is not None
            terms.append(elements.new_tensor(betas) @ self._mean(elements, block, batch))
        self._used = bool(terms)
        return torch.stack(terms).sum() if terms else None

    def _mean(self, elements: Tensor, block: Block, batch: Batch) -> Tensor:
        """``[k]`` means over the rows that are distilled, those of all processes together."""
        if self._everywhere or batch.observed is None:
            if world_size() == 1:
                return elements.mean(0)
            distilled = torch.ones_like(elements, dtype=torch.bool)
        else:
            distilled = batch.observed[:, block.tasks]
        block.counts = sum_over_processes(distilled.sum(0).float())
        return torch.where(distilled, elements, 0.0).sum(0) * world_size() / block.counts.clamp_min(1)

    def _output_distances(self, training: Training, passed: ForwardPass, batch: Batch, tasks: Sequence[int]) -> Tensor:
        """``[B, k]`` distances of outputs, see :meth:`polytask.task.Kind.soft_loss`."""
        columns = []
        for task in tasks:
            index = next(i for i, group in enumerate(training.model.heads.groups) if task in group.tasks)
            group = training.model.heads.groups[index]
            student = passed.outputs[index][:, group.tasks.index(task)].float()
            teacher = self._outputs[task].index_select(0, batch.ids)
            columns.append(group.kind.soft_loss(student, teacher, self.temperature))
        return torch.stack(columns, 1)

    def after_backward(self, training: Training, losses: TaskLosses) -> None:
        if self._used and self.features:
            for number in self.on:
                self.blocks[number].step(training.gradient_scale)

    def after_training(self, training: Training) -> None:
        self.blocks, self.on = {}, {}

    def state_dict(self) -> dict[str, Any]:
        return {"blocks": {str(number): block.state_dict() for number, block in self.blocks.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if set(state["blocks"]) != {str(number) for number in self.blocks}:
            raise UserError(f"{self.name}: the checkpoint was made with other blocks; start the training again")
        for number, block in self.blocks.items():
            block.load_state_dict(state["blocks"][str(number)])


class MTLKD(Distilling):
    """Knowledge distillation for multi-task learning: the student's features, adapted per task, follow the features of
    single-task teachers.

    Settings: see :class:`~polytask.training.callbacks.distilling.Distilling`.

    Source:
        W.-H. Li, H. Bilen, "Knowledge Distillation for Multi-task Learning", ECCV 2020 Workshops, arXiv:2007.06889.
        Their code leaves the teachers in training mode, so that batch statistics enter and running ones drift; here
        teachers are recorded once, in evaluation mode.

    Example:
        >>> import polytask as pt
        >>> x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
        >>> tasks = [pt.Task("sum", kind="regression"), pt.Task("first", kind="regression")]
        >>> labels = {"sum": x.sum(1), "first": x[:, 0]}
        >>> teachers = {task.name: Teacher.from_module(torch.nn.Linear(4, 3), x) for task in tasks}
        >>> model = pt.MultiTaskModel(torch.nn.Linear(4, 8), tasks)
        >>> result = pt.fit(model, train=(x, labels), validation=(x, labels), callbacks=[MTLKD(teachers)],
        ...                 settings=pt.TrainingSettings(steps=20))
        >>> result.steps
        20
    """

    name = "mtlkd"

    def start(self, training: Training) -> None:
        super().start(training)
        self.blocks = {0: self.make_block(range(len(self._names)))}
        self.on = {0: 1.0}
