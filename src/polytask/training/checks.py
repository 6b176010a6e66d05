"""Whether methods can work on a model, and with each other."""

from __future__ import annotations

from collections.abc import Sequence

from ..balancing import Balancer
from ..config.training import TrainingSettings
from ..errors import UserError
from ..models import MultiTaskModel
from .callback import Callback
from .encoding import check_encoding
from .sharding import check_sharding


def check_training(
    settings: TrainingSettings, balancer: Balancer, model: MultiTaskModel, callbacks: Sequence[Callback]
) -> None:
    """Raise if methods, settings and a model do not combine; nothing is trained or changed for it."""
    check_balancer(balancer, model)
    check_callbacks(callbacks)
    check_encoding(settings, balancer, callbacks)
    if settings.strategy == "fsdp":
        check_sharding(settings, model, balancer, callbacks)


def check_callbacks(callbacks: Sequence[Callback]) -> None:
    """Raise if several methods decide which tasks learn."""
    choosing = [callback.name for callback in callbacks if callback.chooses_tasks]
    if len(choosing) > 1:
        raise UserError(f"{' and '.join(choosing)} both decide which tasks learn from their labels; leave one out")


def check_balancer(balancer: Balancer, model: MultiTaskModel) -> None:
    """Raise if a method takes gradients at a position that a model does not have."""
    gradients = balancer.needs.gradients
    missing = {"representation": not model.has_cut, "last_layer": not model.has_last_layer}
    if missing.get(gradients):
        raise UserError(
            f"balancer {balancer.name!r} with gradients={gradients!r} needs a point through which all tasks' gradients "
            f"pass, and sharing {model.sharing!r} has none; give the balancer gradients='exact'"
        )


def check_trains(balancer: Balancer, model: MultiTaskModel, callbacks: Sequence[Callback]) -> None:
    """Raise if a method cannot work on a model, of which some parts are frozen by now."""
    for callback in callbacks:
        callback.check(model)
    if balancer.needs.gradients != "none" and not model.shared_parameters():
        raise UserError(
            f"freeze: balancer {balancer.name!r} uses gradients of the shared part, all of which is frozen; "
            "use one that needs only losses, such as equal, or freeze less"
        )
