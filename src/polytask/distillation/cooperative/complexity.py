"""How complex tasks are for a student, and from that blocks of tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...task.gain import LEAST_SCALE, direction_of, sign
from .blocks import Blocks

INDICATORS = ("gap", "teacher_deficit", "speed", "loss_ratio")


def gap(teacher: float, student: float, higher_is_better: bool = True, least: float = 0.0) -> float:
    """How far the student lags behind the single-task model, relative to the latter; NaN counts as 0.

    Args:
        teacher: Value of the single-task model.
        student: Value of the student.
        higher_is_better: Direction of both.
        least: Smallest value that the difference is relative to.

    Example:
        >>> round(gap(.60, .48), 6), round(gap(20., 25., higher_is_better=False), 6)
        (0.2, 0.25)
    """
    difference = sign(direction_of(higher_is_better)) * (teacher - student)
    scale = max(abs(teacher), least)
    value = difference / scale if scale else 0.0
    return value if math.isfinite(value) else 0.0


def skill_gap(teacher: float, student: float) -> float:
    """The gap in skill (0 for a constant prediction, 1 for a perfect one), at most 1, so that kinds can be compared.

    Metrics themselves cannot: an R2 of a student may be -4.6, an AUC falls short of its teacher by .5 at most. Below a
    constant prediction nothing has been learned, and how far below is no matter of complexity; a teacher with hardly
    any skill does not make its task complex.

    Example:
        >>> round(skill_gap(0.8, 0.6), 6), skill_gap(1.0, -4.6), round(skill_gap(0.01, -0.2), 6)
        (0.25, 1.0, 0.1)
    """
    return gap(max(teacher, 0.0), max(student, 0.0), least=LEAST_SCALE) if not math.isnan(teacher + student) else 0.0


def speed(best_epochs: Sequence[float]) -> list[float]:
    """Epoch of each teacher's best value relative to the largest: slow tasks are complex.

    Example:
        >>> speed([2., 8.])
        [0.25, 1.0]
    """
    most = max(best_epochs)
    return [epoch / most if most > 0 else 0.0 for epoch in best_epochs]


def loss_ratio(losses: Sequence[float]) -> float:
    """Least training loss of a teacher relative to its first; NaN values (no label) are left out.

    Example:
        >>> loss_ratio([2., 1., .5, .6])
        0.25
    """
    known = [loss for loss in losses if math.isfinite(loss)]
    return min(known) / known[0] if known and known[0] > 0 else 0.0


def block_complexities(blocks: Blocks, complexities: Sequence[float], reduce: str = "mean") -> list[float]:
    """Complexity of every block: the ``mean`` or ``max`` over its tasks.

    Example:
        >>> [round(value, 5) for value in block_complexities(((0, 1), (2, 3)), [.022222, .013333, .2, .25])]
        [0.01778, 0.225]
    """
    values = [[complexities[task] for task in block] for block in blocks]
    return [max(block) if reduce == "max" else sum(block) / len(block) for block in values]
