"""Parts of a network that stay still: no gradient, and evaluation mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ..config.training import Freeze
from ..errors import raise_all
from ..models import MultiTaskModel, TaskPart
from .part_names import fits, parameters_of, part_problems


class Frozen:
    """Some parts of a model that are frozen for a while, in any training loop.

    Args:
        model: The model.
        freeze: Parts, or :class:`Freeze`.

    Raises:
        UserError: A name that is no part of the model.

    Example:
        >>> from polytask import Task
        >>> model = MultiTaskModel(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), [Task("a")])
        >>> frozen = Frozen(model, ["encoder", Freeze("task.a", until=2)])
        >>> frozen.at(epoch=0)
        >>> model.encoder[1].training, model.encoder[0].weight.requires_grad, len(frozen.rows)
        (False, False, 2)
        >>> frozen.at(epoch=2)
        >>> len(frozen.rows)
        0
    """

    def __init__(self, model: MultiTaskModel, freeze: Sequence[str | Freeze | Mapping[str, Any]]) -> None:
        self.model, self.entries = model, [Freeze.of(given) for given in freeze]
        raise_all(part_problems(model, [entry.part for entry in self.entries], "freeze"))
        self.first = [parameter for parameter in model.parameters() if parameter.requires_grad]
        #: Rows of parameters that stay still.
        self.rows: list[TaskPart] = []
        self._still: list[nn.Module] = []
        self._on: list[Freeze] | None = None

    def held(self, epoch: float) -> list[Freeze]:
        """The entries that hold at an epoch."""
        return [entry for entry in self.entries if entry.until is None or epoch < entry.until]

    def at(self, epoch: float) -> None:
        """Freeze what is frozen at this epoch; call it once per step after ``model.train()``."""
        on = self.held(epoch)
        if on != self._on:
            self._on = on
            for parameter in self.first:
                parameter.requires_grad_(True)
            found = [parameters_of(self.model, entry.part) for entry in on]
            for parameter in {id(p): p for whole, _ in found for p in whole}.values():
                parameter.requires_grad_(False)
                parameter.grad = None
            self.rows = [rows for _, parts in found for rows in parts]
            named = dict(self.model.named_modules())
            self._still = [module for name, module in named.items() if name and self._is_still(name, module, on)]
            if self.entries:
                self.model.train()
        for module in self._still:
            if module.training:
                module.eval()

    def _is_still(self, name: str, module: nn.Module, on: Sequence[Freeze]) -> bool:
        if not on:
            return False
        if any(fits(name, entry.part) for entry in on):
            return True
        parameters = list(module.parameters())
        return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)

    def thaw(self) -> None:
        """Everything trains again that did before."""
        self.entries = []
        self.at(0)
