"""Decision trees and linear models as modules, so that a run stores, serves and exports them as it does networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..data import SparseRows
from ..task import KINDS, Task
from .heads import TaskGroup, group_tasks
from .multitask import MultiTaskModel
from .table_encoder import embedded_text

#: What the sum over trees or columns is: predictions, raw outputs as those of a network, or logits of all classes.
LINKS = {"predictions": lambda raw: raw, "outputs": lambda raw: raw, "softmax": lambda raw: torch.softmax(raw, -1)}


def kept(values: Tensor) -> nn.Parameter:
    """A tensor that is stored, moves with the module and does not train.

    It is copied row by row: sums over memory in another order give other last digits, also after a file was read.
    """
    return nn.Parameter(values.clone(memory_format=torch.contiguous_format), requires_grad=False)


def dense_leaves(inputs: Any) -> list[str]:
    """Names of the inputs of a table that are columns, in the order of :class:`Columns`."""
    return [name for name, leaf in inputs.items() if isinstance(leaf, Tensor)]


class Columns(nn.Module):
    """The inputs of a table as ``[B, F]`` numbers, which trees split: categories by their codes, hashed text projected.

    Args:
        projection: ``[text width, directions]``; None without text.
    """

    def __init__(self, projection: Tensor | None = None) -> None:
        super().__init__()
        self.text = None
        if projection is not None:
            self.text = nn.EmbeddingBag.from_pretrained(kept(projection).data, mode="sum")

    def forward(self, inputs: Any) -> Tensor:
        if isinstance(inputs, Tensor):
            return inputs.float()
        parts = [inputs[name].float() for name in dense_leaves(inputs)]
        if self.text is not None:
            parts.append(embedded_text(inputs, self.text))
        return torch.cat(parts, 1)


class Trees(nn.Module):
    """Decision trees: ``link(bias + sum over trees of mix * value of the leaf)``.

    A leaf is its own child, so that all trees are walked for as many steps as the deepest one has.

    Args:
        feature: ``[N]`` int, column that a node splits.
        threshold: ``[N]``, rows with at most this go left.
        left: ``[N]`` int, the node that follows.
        right: ``[N]`` int, the node that follows for all others.
        value: ``[N, 1]``, or ``[N, C]``.
        root: ``[T]`` int, the first node of every tree.
        mix: ``[T, C]`` share of every tree in every output.
        bias: ``[C]``.
        depth: Steps from a root to the deepest leaf.
        link: A key of :data:`LINKS`.

    Example:
        >>> split = [torch.tensor([0, 0, 0]), torch.tensor([0.5, 9.0, 9.0]), torch.tensor([1, 1, 2])]
        >>> trees = Trees(*split, torch.tensor([2, 1, 2]), torch.tensor([[0.0], [3.0], [7.0]]), torch.tensor([0]),
        ...               torch.ones(1, 1), torch.zeros(1), 1, "predictions")
        >>> trees(torch.tensor([[0.0], [1.0]])).tolist()
        [[3.0], [7.0]]
    """

    def __init__(
        self,
        feature: Tensor,
        threshold: Tensor,
        left: Tensor,
        right: Tensor,
        value: Tensor,
        root: Tensor,
        mix: Tensor,
        bias: Tensor,
        depth: int,
        link: str,
    ) -> None:
        super().__init__()
        self.feature, self.left, self.right = kept(feature.int()), kept(left.int()), kept(right.int())
        self.threshold, self.value, self.root = kept(threshold.float()), kept(value.float()), kept(root.int())
        self.mix, self.bias = kept(mix.float()), kept(bias.float())
        self.depth, self.link = depth, link

    def forward(self, columns: Tensor) -> Tensor:
        node = self.root.long().expand(columns.shape[0], -1)
        for _ in range(self.depth):
            lower = columns.gather(1, self.feature[node].long()) <= self.threshold[node]
            node = torch.where(lower, self.left[node], self.right[node]).long()
        return LINKS[self.link](self.bias + torch.einsum("btv,tc->bc" if self.value.shape[1] == 1 else "btc,tc->bc",
                                                         self.value[node], self.mix))  # fmt: skip

    def options(self) -> dict[str, Any]:
        """What its tensors do not say."""
        return {"depth": self.depth, "link": self.link}

    def problem(self) -> str | None:
        """Problems with stored trees, so that no prediction reads beyond them."""
        nodes = len(self.feature)
        inside = [int(part.min()) >= 0 and int(part.max()) < nodes for part in (self.left, self.right, self.root)]
        return None if all(inside) and int(self.feature.min()) >= 0 else "a node leads nowhere"


class FittedLinear(nn.Module):
    """``link(bias + W x)`` of numbers, one-hot categories and hashed text.

    Args:
        weight: ``[F, C]``, for the columns of numbers.
        categories: ``[codes, C]``; an empty tensor without categories.
        text: ``[text width, C]``; an empty tensor without texts.
        bias: ``[C]``.
        link: A key of :data:`LINKS`.
    """

    def __init__(self, weight: Tensor, categories: Tensor, text: Tensor, bias: Tensor, link: str) -> None:
        super().__init__()
        self.weight, self.bias, self.link = kept(weight.float()), kept(bias.float()), link
        self.categories = kept(categories.float())
        self.text = kept(text.float())

    def forward(self, inputs: Any) -> Tensor:
        leaves: Mapping[str, Any] = {"numeric": inputs} if isinstance(inputs, Tensor) else inputs
        raw: Tensor = self.bias
        dense = [leaf.float() for name, leaf in leaves.items() if isinstance(leaf, Tensor) and name != "categorical"]
        if dense:
            raw = raw + torch.cat(dense, 1) @ self.weight
        if "categorical" in leaves:
            codes = leaves["categorical"].clamp_max(len(self.categories) - 1)  # the last is for those not seen
            raw = raw + self.categories[codes].sum(1)
        if isinstance(text := leaves.get("text"), SparseRows):
            starts = text.offsets[:-1].to(text.indices.dtype)
            raw = raw + nn.functional.embedding_bag(
                text.indices, self.text, starts, mode="sum", per_sample_weights=text.values
            )
        return LINKS[self.link](raw)

    def options(self) -> dict[str, Any]:
        """What its tensors do not say."""
        return {"link": self.link}


class OutputsByGroup(nn.Module):
    """Instead of heads: the outputs of the tasks are there already."""

    def __init__(self, groups: Sequence[TaskGroup]) -> None:
        super().__init__()
        self.groups = tuple(groups)

    def single(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """As they are: there are no members."""
        return list(outputs)


class FittedModel(MultiTaskModel):
    """Models that were fitted for each task on its own, with the interface of a network.

    Args:
        family: What they are, such as ``extra_trees``.
        columns: Makes ``[B, F]`` of the inputs; None: the parts read the inputs.
        parts: Gives predictions of a task, ``[B, 1]`` or ``[B, C]``.
        tasks: The tasks, in the order of the parts.
    """

    def __init__(self, family: str, columns: Columns | None, parts: Sequence[nn.Module], tasks: Sequence[Task]) -> None:
        nn.Module.__init__(self)
        self.tasks, self.sharing, self.family = tuple(tasks), "hard", family
        self.columns, self.parts = columns, nn.ModuleList(parts)
        self.heads = OutputsByGroup(group_tasks(tasks))  # type: ignore[assignment]

    def grouped(self, inputs: Any) -> list[Tensor]:
        read = inputs if self.columns is None else self.columns(inputs)
        found = [self._outputs(task, part, read) for task, part in zip(self.tasks, self.parts, strict=True)]
        return [torch.stack([found[position] for position in group.tasks], 1) for group in self.heads.groups]

    def _outputs(self, task: Task, part: nn.Module, read: Any) -> Tensor:
        found = part(read)
        found = found if task.definition.vector_output else found[:, 0]
        return found if part.link == "outputs" else KINDS[task.kind].outputs_of(found)  # before any calibration

    def stored(self) -> dict[str, Any]:
        """What is needed to make it again from its tensors."""
        return {"family": self.family, "parts": [part.options() for part in self.parts]}  # type: ignore[operator]

    @classmethod
    def restored(cls, stored: Mapping[str, Any], tensors: Mapping[str, Tensor], tasks: Sequence[Task]) -> FittedModel:
        """The model of which :meth:`stored` and ``state_dict`` were written.

        Raises:
            KeyError, TypeError, ValueError: If they do not fit each other.
        """
        projection = tensors.get("columns.text.weight")
        parts: list[nn.Module] = []
        for place, options in enumerate(stored["parts"]):
            begin = f"parts.{place}."
            own: dict[str, Any] = {
                name.removeprefix(begin): value for name, value in tensors.items() if name.startswith(begin)
            }
            part = Trees(**own, **options) if "root" in own else FittedLinear(**own, **options)
            if isinstance(part, Trees) and (problem := part.problem()):
                raise ValueError(problem)
            if part.link not in LINKS or len(own["bias"]) not in (1, len(tasks[place].classes)):
                raise ValueError(f"part {place} gives something else than task {tasks[place].name}")
            parts.append(part)
        if len(parts) != len(tasks):
            raise ValueError(f"{len(parts)} parts for {len(tasks)} tasks")
        columns = Columns(projection) if isinstance(parts[0], Trees) else None
        return cls(str(stored["family"]), columns, parts, tasks).eval()
