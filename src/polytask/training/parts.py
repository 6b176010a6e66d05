"""Parts of a network by name, and the pace at which each trains.

What a part is called: :mod:`polytask.training.part_names`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from ..config.training import MAIN, Freeze, Pace
from ..errors import UserError, raise_all
from ..models import MultiTaskModel, TaskPart
from ..processes.collectives import is_sharded
from .freezing import Frozen
from .part_names import parameters_of, part_problems
from .schedule import learning_rate_factor


def rate_of(pace: Pace, step: int, total: int) -> float:
    """The learning rate at a step."""
    assert pace.learning_rate is not None and pace.schedule is not None and pace.warmup is not None
    return pace.learning_rate * learning_rate_factor(step, total, pace.schedule, pace.warmup)


def _times(pace: Pace, factor: float) -> Pace:
    """The same with another learning rate."""
    return replace(pace, learning_rate=factor * (pace.learning_rate or 0.0))


class Parts:
    """The optimiser's settings of every part of a model, and what of it is frozen.

    Args:
        model: The model.
        settings: Of a training: ``freeze``, ``parts`` and what parts leave open. The first part that a parameter lies
            in counts.

    Raises:
        UserError: Names that are no part of the model; everything is frozen.
    """

    def __init__(self, model: MultiTaskModel, settings: Any) -> None:
        if settings.strategy == "fsdp" and (settings.freeze or settings.parts):
            raise UserError(
                "freeze, parts: no process has all parameters with strategy fsdp; use ddp, or leave them out"
            )
        raise_all(part_problems(model, list(settings.parts), "parts"))
        self.frozen = Frozen(model, settings.freeze)
        never = [entry for entry in self.frozen.entries if entry.until is None]
        held = {id(p) for entry in never for p in parameters_of(model, entry.part)[0]}
        common = Pace().filled(settings)
        paces = {part: pace.filled(settings) for part, pace in settings.parts.items()}
        of: dict[int, str] = {}
        rows: dict[tuple[int, int], tuple[TaskPart, Pace]] = {}
        for part, pace in paces.items():
            whole, parts = parameters_of(model, part)
            for parameter in whole:
                of.setdefault(id(parameter), part)
            for own in parts:
                rows.setdefault((id(own[0]), own[1].start or 0), (own, pace))
        factors = model.rate_factors()
        groups: dict[tuple[str, float, bool], list[nn.Parameter]] = {}
        for parameter in model.parameters():
            if parameter.requires_grad and id(parameter) not in held:
                key = of.get(id(parameter), ""), factors.get(parameter, 1.0), is_sharded(parameter)
                groups.setdefault(key, []).append(parameter)
        first = {id(p) for entry in self.frozen.held(0) for p in parameters_of(model, entry.part)[0]}
        if settings.accumulate > 1 and first.issuperset(map(id, model.shared_module().parameters())):
            raise UserError("accumulate: the whole shared part is frozen, so it saves no memory; leave one out")
        if not groups:
            raise UserError("freeze: nothing of the network is left to train; freeze less")
        self.groups = list(groups.values())
        self.paces = [_times(paces.get(part, common), factor) for part, factor, _ in groups]
        self._group_of = {id(p): place for place, group in enumerate(self.groups) for p in group}
        self._rows = [entry for entry in rows.values() if id(entry[0][0]) in self._group_of]
        if settings.precision == "16" and settings.optimizer != "adamw":
            raise_all([
                f"parts: with precision 16, {settings.optimizer} has one weight_decay for all tasks; use adamw or bf16"
                for (parameter, _), pace in self._rows
                if pace.weight_decay != self.paces[self._group_of[id(parameter)]].weight_decay
            ][:1])  # fmt: skip
        moving = [*self.paces, *(pace for _, pace in self._rows)]
        self._constant = all(pace.schedule == "constant" and not pace.warmup for pace in moving)

    def for_optimizer(self) -> list[dict[str, Any]]:
        """Parameter groups."""
        return [
            {"params": group, "lr": pace.learning_rate, "weight_decay": pace.weight_decay}
            for group, pace in zip(self.groups, self.paces, strict=True)
        ]

    def set_learning_rates(self, optimizer: Optimizer, step: int, total: int) -> None:
        """The learning rates of a step."""
        if not self._constant:
            for group, pace in zip(optimizer.param_groups, self.paces, strict=True):
                group["lr"] = rate_of(pace, step, total)

    def slow_down(self, optimizer: Optimizer, factor: float) -> None:
        """Multiply all learning rates from now on."""
        self.paces = [_times(pace, factor) for pace in self.paces]
        self._rows = [(part, _times(pace, factor)) for part, pace in self._rows]
        for group, pace in zip(optimizer.param_groups, self.paces, strict=True):
            group["lr"] = pace.learning_rate

    def mask_gradients(self) -> None:
        """Rows that stay still have no gradient, so that clipping does not count them."""
        for parameter, rows in self.frozen.rows:
            if parameter.grad is not None:
                parameter.grad[rows] = 0

    @contextmanager
    def own_pace(self, optimizer: Optimizer, step: int, total: int) -> Iterator[None]:
        """A step of the optimiser in which rows of parameters have a learning rate and weight separate decay.

        A step is proportional to the learning rate, so that rows go their share of the way; the difference in
        weight decay is added to the gradient, or where it is decoupled to the step.
        """
        decoupled = isinstance(optimizer, AdamW)
        kept: list[tuple[Tensor, slice, Tensor, float, float]] = []
        with torch.no_grad():
            for (parameter, rows), pace in self._rows:
                place = self._group_of[id(parameter)]
                rate, usual = rate_of(pace, step, total), optimizer.param_groups[place]["lr"]
                more = (pace.weight_decay or 0.0) - (self.paces[place].weight_decay or 0.0)
                kept.append((parameter, rows, parameter[rows].clone(), rate / usual, usual * more if decoupled else 0))
                if more and not decoupled and parameter.grad is not None:
                    parameter.grad[rows] += more * parameter[rows]
            still = [(parameter, rows, parameter[rows].clone()) for parameter, rows in self.frozen.rows]
        yield
        with torch.no_grad():
            for parameter, rows, old, share, decay in kept:
                parameter[rows] = old + share * (parameter[rows] - old - decay * old)
            for parameter, rows, old in still:
                parameter[rows] = old

    @property
    def has_rows(self) -> bool:
        """:meth:`own_pace` has something to do."""
        return bool(self._rows or self.frozen.rows)


def only_parts_of(model: MultiTaskModel, settings: Any) -> Any:
    """The settings without those of parts and a main task that this model does not have."""
    parts = {part: pace for part, pace in settings.parts.items() if any(parameters_of(model, part))}
    freeze = tuple(entry for entry in settings.freeze if any(parameters_of(model, Freeze.of(entry).part)))
    main = settings.select_by.startswith(MAIN) and settings.select_by not in {MAIN + task.name for task in model.tasks}
    changes = {"parts": parts, "freeze": freeze, "select_by": "mean" if main else settings.select_by}
    return settings.model_copy(update=changes)
