"""Parts of a network by name.

A part is ``shared`` (what several tasks share), ``task.NAME`` (what belongs to one task alone, its head included), or
the dotted name of a module or parameter, such as ``encoder.0``. ``*`` and ``?`` stand for any characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from ..errors import did_you_mean
from ..models import MultiTaskModel, TaskPart

TASK = "task."


def fits(name: str, part: str) -> bool:
    """Whether a module or parameter is the part, or lies in it.

    Example:
        >>> fits("encoder.0.weight", "encoder.0"), fits("encoder.10.weight", "encoder.1"), fits("a.bn1.bias", "*.bn?")
        (True, False, True)
    """
    words = name.split(".")
    return any(fnmatchcase(".".join(words[:end]), part) for end in range(1, len(words) + 1))


def parameters_of(model: MultiTaskModel, part: str) -> tuple[list[nn.Parameter], list[TaskPart]]:
    """Whole parameters of a part, and rows that belong to its tasks alone; both empty if there is no such part.

    Example:
        >>> from polytask import Task
        >>> model = MultiTaskModel(nn.Linear(3, 2), [Task("a"), Task("b")])
        >>> [rows for _, rows in parameters_of(model, "task.b")[1]], len(parameters_of(model, "shared")[0])
        ([slice(1, 2, None), slice(1, 2, None)], 2)
    """
    if part.startswith(TASK):
        pattern = part.removeprefix(TASK)
        places = [place for place, task in enumerate(model.tasks) if fnmatchcase(task.name, pattern)]
        own = [rows for place in places for rows in model.task_parameters(place)]
        return [p for p, rows in own if rows == slice(None)], [part for part in own if part[1] != slice(None)]  # type: ignore[misc]
    if part == "shared":
        return list(model.shared_module().parameters()), []
    return [parameter for name, parameter in model.named_parameters() if fits(name, part)], []


def part_problems(model: MultiTaskModel, parts: Sequence[str], key: str) -> list[str]:
    """Names that are no part of a model, as sentences."""
    known = [
        "shared",
        *(TASK + task.name for task in model.tasks),
        *(name for name, _ in model.named_modules() if name),
    ]
    return [
        f"{key}: the network has no part {part!r}; {did_you_mean(part, known)}"
        for part in parts
        if not any(parameters_of(model, part))
    ]
