"""Sequential cooperative distillation: blocks of similar tasks are distilled one after another, complex ones first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ...distillation.cooperative import (
    Phase,
    block_complexities,
    end_phase,
    find_blocks,
    loss_ratio,
    phase_plan,
    queue,
    skill_gap,
    speed,
)
from ...distillation.cooperative.complexity import INDICATORS
from ...distillation.cooperative.phases import ORDERS, PHASE_ENDS, SCHEDULES
from ...distillation.teacher import Teacher
from ...errors import UserError, did_you_mean, raise_all
from ...processes.collectives import numbers_of_first
from ..evaluation import evaluate
from .distilling import Distilling
from .early_stopping import EarlyStopping
from .number_checks import number_problems, unused_problems
from .task_similarity import MEASURES, SIMILARITIES, TaskSimilarity

if TYPE_CHECKING:
    from ...balancing import TaskLosses
    from ...data import Batch
    from ..evaluation import Evaluation
    from ..loop import Training

SUPERVISED = ("all", "released")


class CooperativeDistillation(Distilling):
    """Sequential cooperative distillation (SCD): single-task teachers are distilled into the student block by block.

    After a warm-up without distillation, similar tasks form blocks, the blocks are queued by complexity, and one after
    another begins to be distilled; a final phase has all of them. The training goes through all phases; early stopping
    begins with the last one.

    Args:
        teachers: As for MTLKD, with ``level``, ``best_epoch`` or ``losses`` as the indicator needs them.
        similarity: ``cka`` or ``rsa`` of the teachers' features of up to 1024 training rows; ``grad_cos``: mean cosine
            of the tasks' gradients during the warm-up; ``tag``: task affinity during the warm-up; ``given``.
        matrix: The similarities with ``given``.
        blocks: ``auto``, their number, or the blocks as lists of task names.
        indicator: Complexity of a task: ``gap`` in skill of the student behind the teacher, on validation after the
            warm-up;
            ``teacher_deficit``: 1 - the teacher's metric as a skill; ``speed``: epoch of the teacher's best;
            ``loss_ratio``: its least training loss relative to the first.
        block_complexity: ``mean`` or ``max`` over a block's tasks.
        order: ``complex_first``, ``simple_first`` or ``random``.
        schedule: ``cumulative``: blocks stay on; ``exclusive``; ``decay`` by ``rho`` a phase.
        rho: See ``schedule``.
        phase_end: ``share``: the steps are shared out by the blocks' sizes; ``patience``: a phase also ends when no
            task of its block has improved on validation in ``phase_patience`` evaluations; later blocks have the rest.
        phase_patience: Evaluations without improvement that end a phase, with ``phase_end="patience"``.
        warmup_epochs: Length of the warm-up, at most a fifth of the training.
        final: Share of the training with all blocks at its end.
        supervised: ``all`` tasks learn from labels all the time, or only ``released`` ones, whose block has begun
            (after the warm-up).
        probe_every: Steps between measurements for ``grad_cos`` and ``tag``.
        beta: As for MTLKD. The default, with that of ``kappa``, was the best on validation of four sets: features
            count a tenth, outputs as much as labels.
        kappa: As for MTLKD. Teachers that are custom modules have no outputs: use ``kappa=0`` then.
        **distilling: ``temperature``, ``every`` and so on, see
            :class:`~polytask.training.callbacks.distilling.Distilling`.

    Raises:
        UserError: All unusable settings at once.

    Source:
        Q. Feng, J.-Y. Yao, M.-K. Xie, S.-J. Huang, S.-C. Chen, "Sequential Cooperative Distillation for Imbalanced
        Multi-Task Learning", J. Computer Science and Technology 39(5), 2024. Public are: similarity, blocks, a queue by
        complexity, distillation from complex to simple. How each is done is our design, see ``docs/distillation.md``.
    """

    name = "scd"
    every_by_default = 8

    def __init__(
        self,
        teachers: Mapping[str, Teacher],
        *,
        similarity: str = "cka",
        matrix: Any = None,
        blocks: str | int | Sequence[Sequence[str]] = "auto",
        indicator: str = "gap",
        block_complexity: str = "mean",
        order: str = "complex_first",
        schedule: str = "cumulative",
        rho: float = 0.5,
        phase_end: str = "share",
        phase_patience: int = 3,
        warmup_epochs: float = 5,
        final: float = 0.1,
        supervised: str = "all",
        probe_every: int = 10,
        beta: float | Mapping[str, float] = 0.1,
        kappa: float = 10.0,
        **distilling: Any,
    ) -> None:
        super().__init__(teachers, beta=beta, kappa=kappa, **distilling)
        choices = (("similarity", similarity, SIMILARITIES), ("indicator", indicator, INDICATORS),
                   ("order", order, ORDERS), ("schedule", schedule, SCHEDULES), ("phase_end", phase_end, PHASE_ENDS),
                   ("supervised", supervised, SUPERVISED),
                   ("block_complexity", block_complexity, ("mean", "max")))  # fmt: skip
        problems = [
            f"{name}: {value!r} is not known; {did_you_mean(value, known)}"
            for name, value, known in choices
            if value not in known
        ]
        if (similarity == "given") != (matrix is not None):
            problems.append("similarity 'given' and a matrix need each other")
        problems += number_problems([("rho", rho), ("final", final)], 0, 1)
        problems += number_problems([("warmup_epochs", warmup_epochs)])
        problems += number_problems([("phase_patience", phase_patience), ("probe_every", probe_every)], 1, whole=True)
        for read, needed, setting in (
            (schedule == "decay", "schedule 'decay'", {"rho": rho}),
            (phase_end == "patience", "phase_end 'patience'", {"phase_patience": phase_patience}),
            (similarity in ("grad_cos", "tag"), "similarity 'grad_cos' or 'tag'", {"probe_every": probe_every}),
        ):
            problems += [] if read else unused_problems(CooperativeDistillation, setting, needed)
        raise_all([f"scd: {problem}" for problem in problems])
        self.similarity, self.given_blocks = TaskSimilarity(similarity, matrix, probe_every), blocks
        self.whole_parameters = similarity == "grad_cos"
        self.indicator, self.block_complexity, self.order = indicator, block_complexity, order
        self.schedule, self.rho, self.warmup_epochs, self.final = schedule, rho, warmup_epochs, final
        self.supervised, self.phase_end, self.phase_patience = supervised, phase_end, phase_patience
        self.plan: list[Phase] = []

    @property
    def chooses_tasks(self) -> bool:
        return self.supervised == "released"

    def start(self, training: Training) -> None:
        super().start(training)
        self.plan, self.phase = [], -1
        steps, epoch = training.settings.steps or 0, training.stream.steps_per_epoch
        self._warmup = min(round(self.warmup_epochs * epoch), steps // 5)
        self._final = round(self.final * steps)
        self.similarity.start(training)
        self._stopping = EarlyStopping(training.settings.patience)
        self._stopping.start(training)
        self._waiting = EarlyStopping(self.phase_patience, wait=False)
        self._check_teachers(training)
        if not self._warmup and self.similarity.measure in ("grad_cos", "tag"):
            raise UserError(
                f"scd: similarity {self.similarity.measure!r} is measured in the warm-up, and there is none; "
                "give warmup_epochs more than 0"
            )

    def check_tasks(self, names: Sequence[str]) -> None:
        super().check_tasks(names)
        self.similarity.check(len(names))
        if self.given_blocks != "auto":
            find_blocks(np.eye(len(names)), self._given(names))

    def _check_teachers(self, training: Training) -> None:
        """What similarity and indicator read must be known of every teacher whose task can be measured."""
        attribute = {"speed": "best_epoch", "loss_ratio": "losses"}.get(self.indicator, "level")
        measured = [name for name in self._names if attribute != "level" or not math.isnan(training.trivial[name])]
        unknown = [
            name for name in measured if (value := getattr(self.teachers[name], attribute)) != value or value == ()
        ]
        raise_all(
            [f"scd: indicator {self.indicator!r} needs `{attribute}` of the teacher of {name!r}" for name in unknown]
        )
        bare = [name for name in self._names if self.teachers[name].features is None]
        if self.similarity.measure in MEASURES and bare:
            raise UserError(f"scd: similarity {self.similarity.measure!r} compares features, and the teacher of "
                            f"{bare[0]!r} has none; use another similarity")  # fmt: skip

    def before_step(self, training: Training, batch: Batch) -> None:
        if training.step < self._warmup:
            self.similarity.before_step(training, batch)
            return
        if not self.plan:
            self._decide(training)
        number = max(i for i, phase in enumerate(self.plan) if phase.start <= training.step)
        if number != self.phase:
            self.phase = number
            self._enter(training, self.plan[number])

    def after_forward(
        self, training: Training, batch: Batch, common: tuple[Tensor, ...] | None, losses: TaskLosses
    ) -> None:
        if training.step < self._warmup:
            self.similarity.after_forward(training, batch, common, losses)

    def _decide(self, training: Training) -> None:
        """Similarity, blocks, queue and phases, as the first process finds them."""
        names = self._names
        found = self.similarity.matrix_of([self.teachers[name] for name in names])
        similarity = np.array(numbers_of_first(found.flatten().tolist()))
        similarity = similarity.reshape(len(names), len(names))
        blocks = find_blocks(similarity, self._given(names))
        complexities = numbers_of_first(self._complexities(training))
        of_blocks = block_complexities(blocks, complexities, self.block_complexity)
        self.begin(queue(blocks, of_blocks, self.order, training.seed))
        self._make_plan(training)
        training.write(
            "cooperation",
            tasks=names,
            similarity=similarity.round(6).tolist(),
            similarity_measure=self.similarity.measure,
            indicator=self.indicator,
            complexities=dict(zip(names, complexities, strict=True)),
            queue=[{"tasks": [names[task] for task in block], "complexity": of_blocks[blocks.index(block)]}
                   for block in self.queued],
            phases=[{"name": phase.name, "start": training.epoch_of(phase.start)} for phase in self.plan],
        )  # fmt: skip

    def _given(self, names: Sequence[str]) -> str | int | list[list[int]]:
        """The setting ``blocks``, with positions of tasks."""
        if isinstance(self.given_blocks, str | int):
            return self.given_blocks
        listed = [name for block in self.given_blocks for name in block]
        problems = [f"{name!r} is not a task; {did_you_mean(name, names)}" for name in listed if name not in names]
        problems += [f"task {name!r} must be in one block, found it in {listed.count(name)}" for name in names
                     if listed.count(name) != 1]  # fmt: skip
        raise_all([f"scd: blocks: {problem}" for problem in problems])
        return [[names.index(name) for name in block] for block in self.given_blocks]

    def _make_plan(self, training: Training) -> None:
        steps = training.settings.steps or 0
        self.plan = phase_plan(self.queued, steps, self._warmup, self._final, self.schedule, self.rho)

    def _complexities(self, training: Training) -> list[float]:
        teachers = [self.teachers[name] for name in self._names]
        if self.indicator == "speed":
            return speed([teacher.best_epoch for teacher in teachers])
        if self.indicator == "loss_ratio":
            return [loss_ratio(teacher.losses) for teacher in teachers]
        skills = self._skills(training, [teacher.level for teacher in teachers])
        if self.indicator == "teacher_deficit":
            return [1 - skill if math.isfinite(skill) else 0.0 for skill in skills]
        levels = evaluate(training.evaluated, training.validation)
        own = self._skills(training, [levels[task.name] for task in training.tasks])
        return [skill_gap(teacher, student) for teacher, student in zip(skills, own, strict=True)]

    def _skills(self, training: Training, levels: Sequence[float]) -> list[float]:
        return [
            task.metric_definition.skill(level, training.trivial[task.name])
            for task, level in zip(training.tasks, levels, strict=True)
        ]

    def _enter(self, training: Training, phase: Phase) -> None:
        self._switch_on(training, phase)
        self._wait_for(training, phase)
        tasks = [self._names[task] for number in self.on for task in self.queued[number]]
        training.write("distillation_phase", phase=phase.name, tasks=tasks)

    def _switch_on(self, training: Training, phase: Phase) -> None:
        self.on = dict(phase.weights)
        if self.supervised == "released":
            begun = sorted(task for block in self.queued[: max(self.on, default=-1) + 1] for task in block)
            training.objective.active = None if len(begun) == len(self._names) else tuple(begun)

    def _wait_for(self, training: Training, phase: Phase) -> None:
        """Watch the tasks of the block whose phase it is."""
        block = () if phase.block is None else self.queued[phase.block]
        self._waiting = EarlyStopping(self.phase_patience, [self._names[task] for task in block], wait=False)
        self._waiting.start(training)

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        if self.phase_end == "patience" and self.phase >= 0 and self.plan[self.phase].block is not None:
            self._waiting.after_evaluation(training, evaluation)
            if self._waiting.finished:
                self.plan = end_phase(self.plan, self.phase, training.step, training.settings.steps or 0)
        if self.plan and training.step > self.plan[-1].start:
            self._stopping.after_evaluation(training, evaluation)

    @property
    def finished(self) -> bool:
        return self._stopping.finished

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {
            "queued": [list(block) for block in self.queued],
            "phase": self.phase,
            "similarity": self.similarity.state_dict(),
            "stopping": self._stopping.state_dict(),
            "waiting": self._waiting.state_dict(),
            "starts": [phase.start for phase in self.plan],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["queued"]:
            self.begin(state["queued"])
        super().load_state_dict(state)
        self.phase = state["phase"]
        self.similarity.load_state_dict(state["similarity"])
        self._stopping.load_state_dict(state["stopping"])
        self._loaded = state["starts"], state["waiting"]

    def resume(self, training: Training) -> None:
        if not self.queued:
            return
        self._make_plan(training)
        starts, waiting = self._loaded
        self.plan = [replace(phase, start=start) for phase, start in zip(self.plan, starts, strict=True)]
        if self.phase >= 0:
            self._switch_on(training, self.plan[self.phase])
            self._wait_for(training, self.plan[self.phase])
            self._waiting.load_state_dict(waiting)
