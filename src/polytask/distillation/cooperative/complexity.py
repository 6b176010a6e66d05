"""How complex tasks are for a student, and from that blocks of tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...task.gain import LEAST_SCALE, direction_of, sign
from .blocks import Blocks


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


def block_complexities(blocks: Blocks, complexities: Sequence[float]) -> list[float]:
    """Complexity of every block: the mean over its tasks.

    Example:
        >>> [round(value, 5) for value in block_complexities(((0, 1), (2, 3)), [.022222, .013333, .2, .25])]
        [0.01778, 0.225]
    """
    return [sum(complexities[task] for task in block) / len(block) for block in blocks]
