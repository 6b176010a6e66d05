"""A shared encoder with a head per task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ..errors import UserError, did_you_mean, raise_all
from ..task import Task
from .heads import LinearHeads, group_tasks

SHARING = ("hard",)


class MultiTaskModel(nn.Module):
    """An encoder that all tasks share (hard parameter sharing), and a linear head per task.

    Args:
        encoder: Any module from inputs to ``[B, D]``.
        tasks: The tasks, in the order of the targets.
        sharing: How the tasks share; ``hard``.
        features: D. Found by itself for an encoder with an attribute ``out_features`` or one that ends in a layer
            that has it.

    Raises:
        UserError: If D cannot be found, a task name repeats or the way of sharing is unknown.

    Example:
        >>> import torch
        >>> encoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        >>> model = MultiTaskModel(encoder, [Task("click"), Task("price", kind="regression")])
        >>> {name: output.shape for name, output in model(torch.zeros(3, 4)).items()}
        {'click': torch.Size([3]), 'price': torch.Size([3])}
    """

    def __init__(
        self, encoder: nn.Module, tasks: Sequence[Task], *, sharing: str = "hard", features: int | None = None
    ) -> None:
        super().__init__()
        names = [task.name for task in tasks]
        problems = [] if tasks else ["a model needs at least one task"]
        problems += [
            f"task {name!r} is given {names.count(name)} times"
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        ]
        if sharing not in SHARING:
            problems.append(f"sharing: {sharing!r} is not known; {did_you_mean(sharing, SHARING)}")
        raise_all(problems)
        self.tasks = tuple(tasks)
        self.encoder = encoder
        self.heads = LinearHeads(features or _output_width(encoder), group_tasks(tasks))

    def features(self, inputs: Any) -> Tensor:
        """The shared representation, ``[B, D]``."""
        return self.encoder(inputs)

    def grouped(self, inputs: Any) -> list[Tensor]:
        """Outputs by :class:`~polytask.models.heads.TaskGroup`, in the order of ``heads.groups``."""
        return self.heads(self.features(inputs))

    def forward(self, inputs: Any) -> dict[str, Tensor]:
        """Outputs per task: ``[B]`` logits or values, ``[B, C]`` logits for multiclass."""
        outputs = self.grouped(inputs)
        by_position = {
            position: wide[:, index]
            for group, wide in zip(self.heads.groups, outputs, strict=True)
            for index, position in enumerate(group.tasks)
        }
        return {task.name: by_position[position] for position, task in enumerate(self.tasks)}

    def shared_parameters(self) -> list[nn.Parameter]:
        """Parameters that all tasks share and that train."""
        return [parameter for parameter in self.encoder.parameters() if parameter.requires_grad]


def _output_width(encoder: nn.Module) -> int:
    width = getattr(encoder, "out_features", None)
    if width is None:
        widths = [m.out_features for m in encoder.modules() if isinstance(m, nn.Linear)]
        width = widths[-1] if widths else None
    if not isinstance(width, int):
        raise UserError(
            f"encoder {type(encoder).__name__}: cannot tell the width of its output; "
            "give the encoder an attribute `out_features` or pass `features=` to MultiTaskModel"
        )
    return width
