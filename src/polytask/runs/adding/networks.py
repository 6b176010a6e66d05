"""The networks of a finished run after tasks were added to them."""

from __future__ import annotations

from collections.abc import Mapping

from ...config.run import frozen_whole
from ...models import MultiTaskModel, take_over
from ...records.folder import RunFolder
from ...training import TrainingResult
from ..encoders import network_of
from ..results import Delivered
from ..trainer import Trainer
from .addition import Addition


def delivered(
    trainer: Trainer, addition: Addition, joins: Mapping[str, int], trained: Mapping[int, tuple[TrainingResult, str]]
) -> list[Delivered]:
    """The networks of the new run: as they were, trained further, or new heads on a frozen encoder."""
    frozen, serves = frozen_whole(trainer.config), dict(addition.base.bundle.serves)
    found, beside = [], []
    for number, model in enumerate(addition.base.bundle.networks):
        own = [name for name in addition.names if number in serves.get(name, ())]
        result, training = trained.get(number, (None, ""))
        learning = addition.learning(number, joins) if result is not None else []
        left = tuple(name for name in own if name not in learning) if frozen or result is None else ()
        if left or result is None:
            source = RunFolder(addition.base.path).networks / str(number)
            found.append(Delivered(model.cpu(), left, f"as_before_{number}", source=source))
        if result is None:
            continue
        if frozen:
            heads = _with_heads(trainer, addition, model, result, learning)
            beside.append(Delivered(heads, tuple(learning), training, result))
        else:
            served = tuple(name for name in addition.names if name in own or name in learning)
            found.append(Delivered(result.model, served, training, result))
    return [*found, *beside]


def _with_heads(
    trainer: Trainer, addition: Addition, old: MultiTaskModel, heads: TrainingResult, names: list[str]
) -> MultiTaskModel:
    """A network of the old encoder and the heads that were trained on its features."""
    tasks = [trainer.data.tasks[position] for position in addition.positions(names)]
    model = network_of(trainer.config, trainer.data.schema, tasks, plain=True)
    take_over(model, heads.model, heads_alone=True)
    model.encoder.load_state_dict(old.encoder.state_dict())
    return model.eval()
