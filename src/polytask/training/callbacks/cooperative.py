"""Sequential cooperative distillation: blocks of similar tasks are distilled one after another, complex ones first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...distillation.cooperative import (
    Phase,
    block_complexities,
    find_blocks,
    given_similarity,
    phase_plan,
    queue,
    skill_gap,
    teacher_similarity,
)
from ...distillation.teacher import Teacher
from ...errors import did_you_mean, raise_all
from ...processes.collectives import numbers_of_first
from ..evaluation import evaluate
from .distilling import Distilling
from .early_stopping import EarlyStopping
from .number_checks import number_problems

if TYPE_CHECKING:
    from ...data import Batch
    from ..evaluation import Evaluation
    from ..loop import Training


class CooperativeDistillation(Distilling):
    """Sequential cooperative distillation (SCD): single-task teachers are distilled into the student block by block.

    After a warm-up without distillation, tasks whose teachers have similar features (linear CKA on up to 1024 training
    rows) form blocks. The complexity of a block is the mean gap in skill of the student behind its teachers, on
    validation after the warm-up. Complex blocks come first: one after another is switched on, and stays on; a
    final phase has all of them. The training goes through all phases; early stopping begins with the last one.

    Args:
        teachers: As for MTLKD, with ``level``.
        blocks: ``auto``, their number, or the blocks as lists of task names.
        warmup_epochs: Length of the warm-up, at most a fifth of the training.
        final: Share of the training with all blocks at its end.
        beta: As for MTLKD. The default, with that of ``kappa``, was the best on validation of four sets: features
            count a tenth, outputs as much as labels.
        kappa: As for MTLKD. Teachers that are custom modules have no outputs: use ``kappa=0`` then.
        **distilling: ``temperature``, ``every`` and so on, see
            :class:`~polytask.training.callbacks.distilling.Distilling`.

    Raises:
        UserError: All unusable settings at once.

    Source:
        Q. Feng, J.-Y. Yao, M.-K. Xie, S.-J. Huang, S.-C. Chen, "Sequential Cooperative Distillation for Imbalanced
        Multi-Task Learning", J. Computer Science and Technology 39(5), 2024. Published are: similarity, blocks, a queue
        by complexity, distillation from complex to simple. How each is done is our design, see
        ``docs/distillation.md``.
    """

    name = "scd"
    every_by_default = 8

    def __init__(
        self,
        teachers: Mapping[str, Teacher],
        *,
        blocks: str | int | Sequence[Sequence[str]] = "auto",
        warmup_epochs: float = 5,
        final: float = 0.1,
        beta: float | Mapping[str, float] = 0.1,
        kappa: float = 10.0,
        **distilling: Any,
    ) -> None:
        super().__init__(teachers, beta=beta, kappa=kappa, **distilling)
        problems = number_problems([("final", final)], 0, 1) + number_problems([("warmup_epochs", warmup_epochs)])
        raise_all([f"scd: {problem}" for problem in problems])
        self.given_blocks, self.warmup_epochs, self.final = blocks, warmup_epochs, final
        self.plan: list[Phase] = []

    def start(self, training: Training) -> None:
        super().start(training)
        self.plan, self.phase = [], -1
        steps, epoch = training.settings.steps or 0, training.stream.steps_per_epoch
        self._warmup = min(round(self.warmup_epochs * epoch), steps // 5)
        self._final = round(self.final * steps)
        self._stopping = EarlyStopping(training.settings.patience)
        self._stopping.start(training)
        self._check_teachers(training)

    def check_tasks(self, names: Sequence[str]) -> None:
        super().check_tasks(names)
        if self.given_blocks != "auto":
            find_blocks(np.eye(len(names)), self._given(names))

    def _check_teachers(self, training: Training) -> None:
        """Features and level must be known of every teacher: blocks and their order come from these."""
        measured = [name for name in self._names if not math.isnan(training.trivial[name])]
        problems = [f"scd: the queue needs `level` of the teacher of {name!r}"
                    for name in measured if math.isnan(self.teachers[name].level)]  # fmt: skip
        bare = [name for name in self._names if self.teachers[name].features is None]
        if bare and isinstance(self.given_blocks, str | int):
            problems.append(f"scd: blocks are found by features, and the teacher of {bare[0]!r} has none; give the "
                            "blocks as lists of task names")  # fmt: skip
        raise_all(problems)

    def before_step(self, training: Training, batch: Batch) -> None:
        if training.step < self._warmup:
            return
        if not self.plan:
            self._decide(training)
        number = max(i for i, phase in enumerate(self.plan) if phase.start <= training.step)
        if number != self.phase:
            self.phase = number
            self._enter(training, self.plan[number])

    def _decide(self, training: Training) -> None:
        """Similarity, blocks, queue and phases, as the first process finds them."""
        names = self._names
        features = [features for name in names if (features := self.teachers[name].features) is not None]
        by_features = len(features) == len(names)
        found = teacher_similarity(features) if by_features else given_similarity(self._listed(names))
        similarity = np.array(numbers_of_first(found.flatten().tolist())).reshape(found.shape)
        blocks = find_blocks(similarity, self._given(names))
        complexities = numbers_of_first(self._complexities(training))
        of_blocks = block_complexities(blocks, complexities)
        self.begin(queue(blocks, of_blocks))
        self._make_plan(training)
        training.write(
            "cooperation",
            tasks=names,
            similarity=similarity.round(6).tolist(),
            similarity_measure="cka" if by_features else "given",
            indicator="gap",
            complexities=dict(zip(names, complexities, strict=True)),
            queue=[{"tasks": [names[task] for task in block], "complexity": of_blocks[blocks.index(block)]}
                   for block in self.queued],
            phases=[{"name": phase.name, "start": training.epoch_of(phase.start)} for phase in self.plan],
        )  # fmt: skip

    def _given(self, names: Sequence[str]) -> str | int | list[list[int]]:
        """The setting ``blocks``, with positions of tasks."""
        return self.given_blocks if isinstance(self.given_blocks, str | int) else self._listed(names)

    def _listed(self, names: Sequence[str]) -> list[list[int]]:
        """Blocks that are given as lists."""
        given = [list(block) for block in self.given_blocks]  # type: ignore[union-attr]
        listed = [name for block in given for name in block]
        problems = [f"{name!r} is not a task; {did_you_mean(name, names)}" for name in listed if name not in names]
        problems += [f"task {name!r} must be in one block, found it in {listed.count(name)}" for name in names
                     if listed.count(name) != 1]  # fmt: skip
        raise_all([f"scd: blocks: {problem}" for problem in problems])
        return [[names.index(name) for name in block] for block in given]

    def _make_plan(self, training: Training) -> None:
        self.plan = phase_plan(self.queued, training.settings.steps or 0, self._warmup, self._final)

    def _complexities(self, training: Training) -> list[float]:
        """How far each task's skill is behind that of its teacher, on validation."""
        levels = evaluate(training.evaluated, training.validation)
        pairs = [(self.teachers[task.name].level, levels[task.name]) for task in training.tasks]
        skills = [
            [task.metric_definition.skill(level, training.trivial[task.name]) for level in pair]
            for task, pair in zip(training.tasks, pairs, strict=True)
        ]
        return [skill_gap(teacher, student) for teacher, student in skills]

    def _enter(self, training: Training, phase: Phase) -> None:
        self.on = phase.blocks
        tasks = [self._names[task] for block in self.queued[: self.on] for task in block]
        training.write("distillation_phase", phase=phase.name, tasks=tasks)

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        if self.plan and training.step > self.plan[-1].start:
            self._stopping.after_evaluation(training, evaluation)

    @property
    def finished(self) -> bool:
        return self._stopping.finished

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {
            "queued": [list(block) for block in self.queued],
            "phase": self.phase,
            "stopping": self._stopping.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["queued"]:
            self.begin(state["queued"])
        super().load_state_dict(state)
        self.phase = state["phase"]
        self._stopping.load_state_dict(state["stopping"])

    def resume(self, training: Training) -> None:
        if not self.queued:
            return
        self._make_plan(training)
        if self.phase >= 0:
            self.on = self.plan[self.phase].blocks
