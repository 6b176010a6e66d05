"""Convergence inside a training of Hugging Face's Trainer (extra ``transformers``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..extras import require
from ..files import load_tree, save_tree
from .kept_peaks import KeptPeaks

require("transformers", "transformers", "accelerate", needed_by="polytask.integrations.transformers")
from transformers import TrainerCallback  # noqa: E402, after the message that says how to get it

#: File beside the Trainer's own in each of its checkpoints.
FILE = "kept_peaks.safetensors"


class KeepPeaks(TrainerCallback):
    """Shows every evaluation to :class:`KeptPeaks` and keeps its state in the Trainer's checkpoints.

    The Trainer's ``compute_loss`` takes its losses from ``peaks.losses(...)``, and its ``compute_metrics`` gives every
    task's metric. For balancing its ``training_step`` calls
    ``balancer.backward(losses, backward=self.accelerator.backward)``.

    Args:
        peaks: The tasks' convergence.
        metric: Name of a task's metric among those of an evaluation.
    """

    def __init__(self, peaks: KeptPeaks, metric: str = "eval_{task}") -> None:
        self.peaks, self.metric = peaks, metric

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        file = Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE
        if state.global_step and file.exists():
            self.peaks.load_state_dict(load_tree(file))

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        save_tree(Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE, self.peaks.state_dict())

    def on_evaluate(self, args: Any, state: Any, control: Any, **known: Any) -> None:
        metrics = known["metrics"]
        found = {task: metrics[name] for task in self.peaks.tasks
                 if (name := self.metric.format(task=task)) in metrics}  # fmt: skip
        self.peaks.update(state.global_step, found, known["model"])
