"""Convergence inside a Lightning training (extra ``lightning``)."""

from __future__ import annotations

from typing import Any

from ..extras import require
from .kept_peaks import KeptPeaks

require("lightning", "pytorch_lightning", needed_by="polytask.integrations.lightning")
import pytorch_lightning as pl  # noqa: E402, after the message that says how to get it


class KeepPeaks(pl.Callback):
    """Shows every validation to :class:`KeptPeaks` and keeps its state in Lightning's checkpoints.

    The module computes its losses by ``peaks.losses(...)`` and logs a metric for every task. For balancing set
    ``automatic_optimization = False`` and call ``balancer.backward(losses, backward=self.manual_backward)``.

    Args:
        peaks: The tasks' convergence.
        metric: Name under which the module logs a task's metric.
    """

    def __init__(self, peaks: KeptPeaks, metric: str = "val_{task}") -> None:
        self.peaks, self.metric = peaks, metric

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        logged = trainer.callback_metrics
        found = {task: float(logged[name]) for task in self.peaks.tasks
                 if (name := self.metric.format(task=task)) in logged}  # fmt: skip
        for task in self.peaks.update(trainer.global_step, found, module):
            module.print(f"{task} has converged: best {self.peaks.monitors[task].best:.4g}")

    def state_dict(self) -> dict[str, Any]:
        return self.peaks.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.peaks.load_state_dict(state_dict)
