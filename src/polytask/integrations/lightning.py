"""Balancing and convergence inside a Lightning training (extra ``lightning``)."""

from __future__ import annotations

from typing import Any

from ..balancing import Balancer
from ..errors import UserError
from ..extras import require
from .kept_peaks import KeptPeaks
from .logged import metrics_of
from .renamed import renamed

require("lightning", "pytorch_lightning", needed_by="polytask.integrations.lightning")
import pytorch_lightning as pl  # noqa: E402, after the message that states how to get it


class Balancing(pl.Callback):
    """Keeps a balancer's state in Lightning's checkpoints and tells it when an epoch has ended.

    The module sets ``automatic_optimization = False`` and calls
    ``balancer.backward(losses, shared=..., backward=self.manual_backward)`` in ``training_step``.

    Args:
        balancer: The balancer; it may, but need not, be a part of the module.
    """

    def __init__(self, balancer: Balancer) -> None:
        self.balancer = balancer

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if module.automatic_optimization:
            raise UserError(
                f"{type(module).__name__}: Lightning would run backward on the loss that training_step "
                "returns, without the balancer; set self.automatic_optimization = False and call balancer.backward"
            )

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.balancer.end_epoch()

    def state_dict(self) -> dict[str, Any]:
        return dict(self.balancer.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.balancer.load_state_dict(state_dict)


class ConvergenceCallback(pl.Callback):
    """Passes every validation of a training to :class:`KeptPeaks` and keeps its state in Lightning's checkpoints.

    The module computes its losses by ``peaks.losses(...)`` and logs a metric for every task, in several processes with
    ``sync_dist=True``. Evaluations are known by the number of batches so far.

    Args:
        peaks: The tasks' convergence.
        metric: Name under which the module logs a task's metric.
    """

    def __init__(self, peaks: KeptPeaks, metric: str = "val_{task}") -> None:
        self.peaks, self.metric = peaks, metric

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        found = metrics_of(self.peaks, trainer.callback_metrics, self.metric)
        step = trainer.fit_loop.epoch_loop.total_batch_idx + 1
        for task in self.peaks.update(step, found, module):
            module.print(f"{task} has converged: best {self.peaks.monitors[task].best:.4g}")

    def state_dict(self) -> dict[str, Any]:
        return self.peaks.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.peaks.load_state_dict(state_dict)


def __getattr__(name: str) -> Any:
    if name == "KeepPeaks":
        return renamed(name, ConvergenceCallback)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
