"""An encoder, a way in which the tasks share it, and a head per task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ..data import opened
from ..errors import raise_all
from ..task import Task
from .heads import LinearHeads, MemberHeads, group_tasks
from .sharing import make_task_encoder, sharing_problems
from .stages import features_of, output_width
from .task_encoder import Representation, TaskEncoder, TaskPart


class MultiTaskModel(nn.Module):
    """An encoder that the tasks share, and a linear head per task.

    Args:
        encoder: Any module from inputs to ``[B, D]``; for tasks with a target per item (token, document)
            to ``[B, 1 + L, D]``, of which the first stands for the whole row.
        tasks: The tasks, in the order of the targets.
        sharing: How the tasks share. ``hard``: all heads read from the encoder. With the others every task has separate
            features: ``mmoe``, ``cgc`` and ``ple`` mix experts by a gate per task, ``cross_stitch`` mixes a copy of
            the encoder per task, ``mtan`` attends to parts of the encoder's features. See ``docs/sharing.md``.
        features: D. Found by itself for an encoder with an attribute ``out_features`` or one that ends in a layer
            that has it.
        **options: Options of the sharing architecture, such as ``experts=4``.

    Attributes:
        sharing: The sharing architecture.
        encoder: The encoder, or the :class:`~polytask.models.TaskEncoder` made from it.
        heads: The heads.

    Raises:
        UserError: If D cannot be found, a task name repeats, the sharing architecture or an option is unknown, or
            the architecture does not fit the encoder.

    Example:
        >>> import torch
        >>> encoder = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        >>> tasks = [Task("click"), Task("price", kind="regression")]
        >>> model = MultiTaskModel(encoder, tasks)
        >>> {name: output.shape for name, output in model(torch.zeros(3, 4)).items()}
        {'click': torch.Size([3]), 'price': torch.Size([3])}
        >>> MultiTaskModel(encoder, tasks, sharing="mmoe", experts=3).features(torch.zeros(3, 4)).shape
        torch.Size([3, 2, 8])
    """

    def __init__(
        self,
        encoder: nn.Module,
        tasks: Sequence[Task],
        *,
        sharing: str = "hard",
        features: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        names = [task.name for task in tasks]
        problems = [] if tasks else ["a model needs at least one task"]
        problems += [
            f"task {name!r} is given {names.count(name)} times"
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        ]
        if sharing != "hard" and any(task.definition.items for task in tasks):
            problems.append(
                f"sharing {sharing!r} gives no features by item, which {tasks[0].kind} tasks need; use 'hard'"
            )
        raise_all(problems + sharing_problems(sharing, options))
        self.tasks = tuple(tasks)
        self.sharing = sharing
        if sharing == "hard":
            width = features or output_width(encoder)
        else:
            encoder = make_task_encoder(sharing, encoder, len(self.tasks), options, features)
            width = encoder.width
        self.encoder = encoder
        groups = group_tasks(tasks)
        if (members := getattr(encoder, "members", 1)) > 1:
            self.heads: LinearHeads = MemberHeads(width, groups, members)
        else:
            self.heads = LinearHeads(width, groups, own=isinstance(encoder, TaskEncoder))

    def represent(self, inputs: Any) -> Representation:
        """What the heads read, and where the shared part of it ends."""
        if isinstance(self.encoder, TaskEncoder):
            return self.encoder.represent(opened(inputs))
        features = self.features(inputs)
        return Representation(features, (features,))

    def features(self, inputs: Any) -> Tensor:
        """What the heads read: ``[B, D]``, or ``[B, K, D]`` if every task has separate features.

        Raises:
            UserError: If the encoder gives something else than a tensor.
        """
        return features_of(self.encoder, opened(inputs))

    def grouped(self, inputs: Any) -> list[Tensor]:
        """Outputs by :class:`~polytask.models.heads.TaskGroup`, in the order of ``heads.groups``; of members one by
        one while training, see :class:`~polytask.models.heads.MemberHeads`."""
        return self.heads(self.features(inputs))

    def forward(self, inputs: Any) -> dict[str, Tensor]:
        """Outputs per task: ``[B]`` logits or values, ``[B, C]`` logits for multiclass."""
        outputs = self.heads.single(self.grouped(inputs))
        by_position = {
            position: wide[:, index]
            for group, wide in zip(self.heads.groups, outputs, strict=True)
            for index, position in enumerate(group.tasks)
        }
        return {task.name: by_position[position] for position, task in enumerate(self.tasks)}

    @property
    def has_cut(self) -> bool:
        """:attr:`Representation.common` exists."""
        return not isinstance(self.encoder, TaskEncoder) or self.encoder.cut

    @property
    def has_last_layer(self) -> bool:
        """Everything passes through a last shared layer, the last in :meth:`shared_parameters`."""
        return not isinstance(self.encoder, TaskEncoder) or self.encoder.last_layer

    def shared_module(self) -> nn.Module:
        """The shared part."""
        return nn.ModuleList(self.encoder.shared_modules()) if isinstance(self.encoder, TaskEncoder) else self.encoder

    def shared_parameters(self) -> list[nn.Parameter]:
        """Parameters that several tasks share and that train."""
        return [parameter for parameter in self.shared_module().parameters() if parameter.requires_grad]

    def rate_factors(self) -> dict[nn.Parameter, float]:
        """Factors of the learning rate of parameters for which a part of the encoder asks for another, by a method
        ``rate_factors`` that gives them by name."""
        return {
            part.get_parameter(name): factor
            for part in self.encoder.modules()
            if callable(ask := getattr(part, "rate_factors", None))
            for name, factor in ask().items()
        }

    def task_parameters(self, task: int) -> list[TaskPart]:
        """Parameters with the rows of them that belong to one task (by its position) alone, its head included."""
        own = self.encoder.task_parameters(task) if isinstance(self.encoder, TaskEncoder) else []
        return [*own, *self.heads.task_parameters(task)]
