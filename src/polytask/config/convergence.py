"""When a task has converged and how it is held then: the sections ``convergence``, ``joint`` and ``sequential``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from ..errors import did_you_mean, raise_all
from ..ranges import Count, Range, range_problems
from .key import Key, documented, without_effect
from .training import STRICT

Test = Literal["patience", "slope", "fixed"]
Returned = Literal["mean", "last", "last_task"]


@documented
@dataclass
class ConvergenceOptions:
    """When a task has converged, and how it is held then.

    Raises:
        UserError: All unusable settings at once.

    Example:
        >>> ConvergenceOptions(patience=3).teachers
        1
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    patience: Annotated[Count, Key("Evaluations without improvement after which a task has converged.")] = 10
    min_evaluations: Annotated[int | None, Range(whole=True), Key(
        "Minimum number of evaluations before a task can converge. Default: twice `patience`.",
    )] = None  # fmt: skip
    min_delta: Annotated[float, Range(), Key("Minimum improvement that counts, in units of the task's metric.")] = 0.0
    min_errors: Annotated[float, Range(), Key(
        "Minimum improvement that counts, in standard errors of the paired difference of two evaluations.",
        needs={"test": ("patience",)},
    )] = 0.0  # fmt: skip
    relative: Annotated[bool, Key("Interpret `min_delta` as a fraction of the best value.")] = False
    patience_steps: Annotated[int | None, Range(1, whole=True), Key(
        "Steps without improvement instead of evaluations.", needs={"test": ("patience",)},
    )] = None  # fmt: skip
    test: Annotated[Test, Key(
        "When a task has converged: no improvement for `patience` evaluations; no upward `slope` over these; or a "
        "`fixed` step.",
    )] = "patience"  # fmt: skip
    fixed_step: Annotated[Count | dict[str, Count] | None, Key(
        "Step at which tasks converge, for all or by task name.", needs={"test": ("fixed",)},
    )] = None  # fmt: skip
    teachers: Annotated[Count, Key(
        "Number of best checkpoints of the task whose mean prediction gives the soft labels; 1 is the paper's "
        "method. More may help without a moving average (`ema`); each costs a pass over the training rows.",
    )] = 1  # fmt: skip
    temperature: Annotated[float, Range(more=True), Key("Temperature of soft labels of classes.")] = 1.0
    kd_weight: Annotated[float, Range(more=True), Key(
        "Factor of a converged task's loss, on top of the task's weight.",
    )] = 1.0  # fmt: skip
    half: Annotated[bool, Key(
        "Keep soft labels in two bytes per number instead of four.", needs={"soft_labels": ("stored",)},
    )] = False  # fmt: skip
    unlabelled: Annotated[bool, Key("Also use soft labels on rows where a converged task has no label.")] = False
    reopen: Annotated[bool, Key(
        "A converged task that becomes better than its teacher and its own peak, beyond chance, returns to its "
        "labels (not with `test: fixed`).",
    )] = True  # fmt: skip
    tail: Annotated[int | None, Range(whole=True), Key(
        "Evaluations after the last convergence. Default: twice `patience`.",
    )] = None  # fmt: skip
    soft_labels: Annotated[Literal["stored", "online"], Key(
        "`stored`: predicted once for all training rows; `online`: frozen snapshots predict every batch, for inputs "
        "with random augmentation.",
    )] = "stored"  # fmt: skip
    soft_loss: Annotated[str, Key(
        "Distance to the soft labels: `own`: the default of each kind; `cross_entropy` (classes, without subtracting "
        "the teacher's entropy), `logits` (classes, squared), `l1` or `huber` (numbers). Kinds without it keep "
        "their default.",
    )] = "own"  # fmt: skip

    def __post_init__(self) -> None:
        raise_all([f"convergence: {problem}" for problem in self._problems()])

    def _problems(self) -> Iterator[str]:
        yield from range_problems(self)
        yield from without_effect(self)
        if self.soft_loss != "own":
            from ..task.kinds import SOFT_LOSSES  # with PyTorch

            if self.soft_loss not in SOFT_LOSSES:
                yield f"soft_loss: {self.soft_loss!r} is not known; {did_you_mean(str(self.soft_loss), SOFT_LOSSES)}"
        if self.soft_loss in ("logits", "l1", "huber") and self.temperature != 1.0:
            yield f"temperature: has no effect on soft_loss {self.soft_loss!r}, found {self.temperature}"
        if self.relative and not self.min_delta:
            yield "relative: has an effect only with min_delta above 0; give one, or leave it out"
        if self.test == "fixed" and self.fixed_step is None:
            yield "test: fixed needs fixed_step; give one, or another test"


@documented
@dataclass
class JointOptions:
    """Further settings of ``converge: joint``."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    restore: Annotated[bool, Key(
        "When a task converges, restore its best parameters and reset the optimiser (if several converge at once: "
        "the latest of their best evaluations). This discards the progress of the other tasks.",
    )] = False  # fmt: skip
    returned: Annotated[Returned, Key(
        "The returned parameters, once at most one task still learns from its labels: those with the best `mean` share "
        "of the peaks, those of the `last` evaluation, or those at the peak of the `last_task` to converge. An "
        "earlier evaluation that is better beyond chance is returned instead.",
    )] = "mean"  # fmt: skip


@documented
@dataclass
class SequentialOptions:
    """The order of tasks and their stages with ``converge: sequential``."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    order: Annotated[str | tuple[str, ...], Key(
        "`given`, `largest_first`, `smallest_first`, `slowest_first`, `fastest_first`, `largest_gap_first`, `random`, "
        "or the names of the tasks.",
    )] = "given"  # fmt: skip
    max_stage_steps: Annotated[int | None, Range(1, whole=True), Key(
        "Maximum steps of a stage. Default: `steps`, so that k tasks may take k times as long as one joint training.",
    )] = None  # fmt: skip
    restore: Annotated[bool, Key(
        "Restore the best parameters and reset the optimiser between stages, or continue with the current ones.",
    )] = True  # fmt: skip
    learning_rate_restart: Annotated[bool, Key(
        "Restart the learning rate schedule with every stage.",
    )] = True  # fmt: skip
