"""Distillation of features (and outputs) from single-task teachers into the student, block by block of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from ...distillation.adaptors import stacked_directions
from ...distillation.teacher import Teacher, check_teachers
from ...errors import UserError, did_you_mean, raise_all
from ...processes.collectives import sum_over_processes, world_size
from ...task.kind import WideKind
from ..callback import Callback, ForwardPass
from ..evaluation import task_outputs
from .number_checks import number_problems, unused_problems
from .taps import Taps, pooled
from .trained_adaptors import TrainedAdaptors

if TYPE_CHECKING:
    from ...balancing import TaskLosses
    from ...data import Batch
    from ..loop import Training


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
        components: The teachers' features are reduced to this many directions in which they are largest; None for none
            of that. See :func:`~polytask.distillation.adaptors.principal_part`.
        taps: Stages of the student's encoder that are adapted, counted from the last; all follow the features that the
            teachers' heads read. More than one needs hard sharing.
        shared_adaptor: Width of a linear map common to the adaptors of all tasks, before those of their own; 0 for
            none.
        adaptor_lr: Learning rate of the adaptors' Adam.
        adaptor_wd: Its weight decay.
        unlabelled: Distil a task also on rows where it has no label. Default: yes, unless the rows come from several
            data sets.
        every: Distil features in one step out of this many, with as many times the weight: their cost is this many
        times
            less. Outputs are distilled in every step. Default: 1, as published, for MTLKD, and 8 for SCD.

    Raises:
        UserError: For numbers out of range.
    """

    #: The default of ``every``.
    every_by_default = 1

    def __init__(
        self,
        teachers: Mapping[str, Teacher],
        *,
        beta: float | Mapping[str, float] = 1.0,
        kappa: float = 0.0,
        temperature: float = 1.0,
        features: bool = True,
        components: int | None = None,
        taps: int = 1,
        shared_adaptor: int = 0,
        adaptor_lr: float = 0.1,
        adaptor_wd: float = 5e-4,
        unlabelled: bool | None = None,
        every: int | None = None,
    ) -> None:
        self.teachers = dict(teachers)
        self.beta, self.kappa, self.temperature, self.features = beta, kappa, temperature, features
        self.components, self.tap_count, self.shared_adaptor = components, taps, shared_adaptor
        self.adaptor_lr, self.adaptor_wd, self.unlabelled = adaptor_lr, adaptor_wd, unlabelled
        self.every = self.every_by_default if every is None else every
        weights = beta.values() if isinstance(beta, Mapping) else [beta]
        problems = number_problems([*(("beta", one) for one in weights), ("kappa", kappa), ("adaptor_wd", adaptor_wd)])
        problems += number_problems([("temperature", temperature), ("adaptor_lr", adaptor_lr)], more=True)
        problems += number_problems([("components", components), ("taps", taps), ("every", every)], 1, whole=True)
        problems += number_problems([("shared_adaptor", shared_adaptor)], whole=True)
        if not features and kappa == 0:
            problems.append("without features, kappa must be more than 0: nothing would be distilled")
        if not features:
            of_features = {"components": components, "taps": taps, "shared_adaptor": shared_adaptor, "every": every,
                           "adaptor_lr": adaptor_lr, "adaptor_wd": adaptor_wd}  # fmt: skip
            problems += unused_problems(Distilling, of_features, "features")
        if kappa == 0:
            problems += unused_problems(Distilling, {"temperature": temperature}, "kappa above 0")
        raise_all([f"{self.name}: {problem}" for problem in problems])
        #: The tasks of the blocks in the order in which they begin, and how many of these blocks are distilled.
        self.queued: tuple[tuple[int, ...], ...] = ()
        self.on = 0
        self.adaptors: TrainedAdaptors | None = None
        self._taps: Taps | None = None

    @property
    def watches_layers(self) -> bool:
        return self.features and self.tap_count > 1

    def start(self, training: Training) -> None:
        if self.features:
            check_teachers(self.teachers, training.tasks, len(training.train), features=True)
        if self.kappa:
            check_teachers(self.teachers, training.tasks, len(training.train), features=False)
        self.queued, self.on, self.adaptors = (), 0, None
        self._known: tuple[int, int] | None = None
        self._shared: Tensor | None = None  # shares that are equal for all rows are split by group once a phase
        self._names = [task.name for task in training.tasks]
        self.check_tasks(self._names)
        beta = self.beta if isinstance(self.beta, Mapping) else dict.fromkeys(self._names, self.beta)
        self._device, self._seed = training.device, training.seed
        self._betas = [float(beta.get(name, 1.0)) for name in self._names]
        self._own, self._widths = training.model.heads.own, [training.model.heads.wide.in_features]
        if self.features and self.tap_count > 1:
            self._taps = Taps.of_model(training.model, self.tap_count, self.name)
            self._widths = [*self._taps.widths()[:-1], *self._widths]
        self._outputs = [self._stacked_outputs(group.tasks) for group in training.model.heads.groups if self.kappa]
        self._everywhere = training.train.source is None if self.unlabelled is None else self.unlabelled

    def check_tasks(self, names: Sequence[str]) -> None:
        """Raise if the settings do not fit tasks of these names."""
        unknown = [name for name in self.beta if name not in names] if isinstance(self.beta, Mapping) else []
        raise_all([f"{self.name}: beta: {name!r} is not a task; {did_you_mean(name, names)}" for name in unknown])

    def _stacked_outputs(self, tasks: Sequence[int]) -> Tensor:
        """``[n, k]`` or ``[n, k, ...]`` outputs of the teachers of one group of tasks."""
        outputs = [self.teachers[self._names[task]].outputs for task in tasks]
        return torch.stack(cast(list[Tensor], outputs), 1).to(self._device)

    def begin(self, blocks: Sequence[Sequence[int]]) -> None:
        """Fresh adaptors and a fresh optimiser, for blocks of tasks in the order in which they begin."""
        self.queued = tuple(tuple(block) for block in blocks)
        if not self.features:
            return
        features = [self.teachers[self._names[task]].features for block in blocks for task in block]
        self.adaptors = TrainedAdaptors(
            self.queued, stacked_directions(cast(list[Tensor], features), self.components), self._widths, own=self._own,
            learning_rate=self.adaptor_lr, weight_decay=self.adaptor_wd, shared=self.shared_adaptor, seed=self._seed,
            device=self._device,
        )  # fmt: skip

    def extra_loss(self, training: Training, passed: ForwardPass, batch: Batch) -> Tensor | None:
        if (self.on, len(batch)) != self._known:  # a phase begins
            self._known = self.on, len(batch)
            self._tasks = [task for block in self.queued[: self.on] for task in block]
            weights = [self._betas[task] for task in self._tasks]
            self._used, self._weights = any(weights), torch.tensor(weights, device=self._device)
            self._mean = self._weights / len(batch)
        self._adapting = self._used and self.adaptors is not None and training.step % self.every == 0
        if not self._used or not (self._adapting or self.kappa):
            return None
        shares = self._shares(batch)
        terms = []
        if self.adaptors is not None and self._adapting:
            found = [passed.features] if self._taps is None else [*map(pooled, self._taps.read()[:-1]), passed.features]
            terms.append(self.adaptors.loss(found, batch.ids, self.on, self.every * shares))
        if self.kappa:
            terms.append(self._output_distance(training, passed, batch, shares))
        return terms[0] if len(terms) == 1 else torch.stack(terms).sum()

    def _shares(self, batch: Batch) -> Tensor:
        """``[k]`` or ``[B, k]``: what each element counts, so that the sum is the weighted sum of means over the rows
        that are distilled, those of all processes combined."""
        self._absent: list[int] = []
        if self._everywhere or batch.observed is None:
            if world_size() == 1:
                return self._mean
            distilled = torch.ones(len(batch), len(self._tasks), device=self._device)
        else:
            distilled = batch.observed[:, self._tasks].float()
        counts = sum_over_processes(distilled.sum(0))
        self._absent = [place for place, count in enumerate(counts.tolist()) if not count]
        return distilled * (self._weights * world_size() / counts.clamp_min(1))

    def _output_distance(self, training: Training, passed: ForwardPass, batch: Batch, shares: Tensor) -> Tensor:
        """Weighted sum of the distances of outputs, see :meth:`polytask.task.Kind.soft_loss`; of kinds with several
        targets per row the means over a row's."""
        groups, terms = training.model.heads.groups, []
        if shares is not self._shared:
            by_task = shares.new_zeros(*shares.shape[:-1], len(self._names))
            by_task[..., self._tasks] = self.kappa * shares
            self._shared, self._group_shares = shares, [by_task[..., list(group.tasks)] for group in groups]
        for group, outputs, stored, share in zip(
            groups, passed.outputs, self._outputs, self._group_shares, strict=True
        ):
            teacher, divisor = stored.index_select(0, batch.ids), None
            if group.kind.wide:
                kind, missing = cast(WideKind, group.kind), torch.isnan(batch.wide[group.tasks[0]])[:, None]
                teacher = teacher.masked_fill(missing[..., None] if kind.vector_output else missing, torch.nan)
                divisor = kind.counts(teacher[..., 0] if kind.vector_output else teacher).clamp_min(1)
            soft_loss = partial(group.kind.soft_loss, teacher=teacher, temperature=self.temperature)
            distances = group.over_members(soft_loss, outputs.float())
            if divisor is not None:
                distances = distances.flatten(2).sum(2) / divisor
            terms.append((share * distances).sum())
        return terms[0] if len(terms) == 1 else torch.stack(terms).sum()

    def after_backward(self, training: Training, losses: TaskLosses) -> None:
        if self.adaptors is not None and self._adapting:
            self.adaptors.step(training.gradient_scale, self._absent)

    def after_training(self, training: Training) -> None:
        self.on, self.adaptors = 0, None
        if self._taps is not None:
            self._taps.remove()

    def state_dict(self) -> dict[str, Any]:
        return {"adaptors": None if self.adaptors is None else self.adaptors.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["adaptors"] is None:
            self.adaptors = None
        elif self.adaptors is None:
            raise UserError(f"{self.name}: the checkpoint was made with features; start the training again")
        else:
            self.adaptors.load_state_dict(state["adaptors"])


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
        self.begin([range(len(self._names))])
        self.on = 1


class EnsembleDistillation(MTLKD):
    """The student learns from its labels and from what an ensemble predicts for the training rows.

    Tasks without a teacher learn from their labels alone. The ensemble's predictions have to be by models that have
    not learned from the row, otherwise they repeat its label.

    Args:
        teachers: By task name, with outputs.
        beta: Weight of the ensemble's predictions beside the labels, for all tasks or by name.
        temperature: Softens outputs of class kinds.
        unlabelled: See :class:`Distilling`.

    Source:
        G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531, with
        cross-fitted teachers.
    """

    name = "best"

    def __init__(
        self,
        teachers: Mapping[str, Teacher],
        *,
        beta: float | Mapping[str, float] = 1.0,
        temperature: float = 1.0,
        unlabelled: bool | None = None,
    ) -> None:
        super().__init__(teachers, beta=beta, kappa=1.0, temperature=temperature, features=False, unlabelled=unlabelled)

    def start(self, training: Training) -> None:
        given, asked = self.teachers, self.beta
        names = [task.name for task in training.tasks]
        self.beta = dict(asked) if isinstance(asked, Mapping) else dict.fromkeys(names, asked)
        for position, name in enumerate(names):
            if name not in given:  # nothing to follow, with the weight 0
                one = task_outputs(training.model, training.train.subset(torch.arange(1)), [position])[0]
                nothing = one.new_zeros(len(training.train), *one.shape[1:])
                self.teachers, self.beta = self.teachers | {name: Teacher(outputs=nothing)}, self.beta | {name: 0.0}
        super().start(training)
        self.teachers, self.beta = given, asked
