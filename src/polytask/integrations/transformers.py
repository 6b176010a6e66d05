"""Balancing and convergence inside a training of Hugging Face's Trainer (extra ``transformers``)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..balancing import Balancer
from ..errors import UserError
from ..extras import require
from ..files import load_tree, save_tree
from ..processes import is_first
from .kept_peaks import KeptPeaks, metrics_of

require("transformers", "transformers", "accelerate", needed_by="polytask.integrations.transformers")
from transformers import Trainer, TrainerCallback  # noqa: E402, after the message that says how to get it

#: Files beside the Trainer's own in each of its checkpoints.
FILE, BALANCER_FILE = "kept_peaks.safetensors", "balancer.safetensors"


class BalancedTrainer(Trainer):
    """A Trainer whose losses are balanced. With gradient accumulation the gradient of an update is, as the Trainer's
    own, the mean over its micro-batches, for each of which the method finds weights; the logged loss is the mean of the
    sum of the tasks' losses. The balancer's state is in the Trainer's checkpoints, and it is told when an epoch ends.

    Write :meth:`compute_losses`, and for methods that look at gradients :meth:`shared_parameters`.

    Args:
        balancer: The balancer.
        *args: As for ``transformers.Trainer``.
        **kwargs: As for ``transformers.Trainer``.
    """

    def __init__(self, *args: Any, balancer: Balancer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.balancer = balancer
        self.add_callback(_EndOfEpoch(balancer))

    def compute_losses(self, model: nn.Module, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """Scalar losses by task name, of a batch of training."""
        raise NotImplementedError

    def shared_parameters(self) -> Iterable[Tensor] | None:
        """Parameters of ``self.model`` that all tasks share; None for methods that weigh losses."""
        return None

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        model.train()
        inputs = self._prepare_inputs(inputs)
        with self.compute_loss_context_manager():
            losses = self.compute_losses(model, inputs)
        parts = getattr(self, "current_gradient_accumulation_steps", self.args.gradient_accumulation_steps)
        self.balancer.backward(
            losses,
            shared=self.shared_parameters(),
            backward=lambda total: self.accelerator.backward(total / parts),
        )
        return sum(loss.detach() for loss in losses.values()) / parts  # type: ignore[return-value]

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        if is_first():
            save_tree(Path(output_dir) / BALANCER_FILE, dict(self.balancer.state_dict()))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        file = Path(checkpoint) / BALANCER_FILE
        if not file.exists():
            raise UserError(
                f"{checkpoint}: no {BALANCER_FILE}, so that the balancer would begin anew; resume from a checkpoint "
                "that a BalancedTrainer has written"
            )
        self.balancer.load_state_dict(load_tree(file))


class _EndOfEpoch(TrainerCallback):
    def __init__(self, balancer: Balancer) -> None:
        self.balancer = balancer

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.balancer.end_epoch()


class KeepPeaks(TrainerCallback):
    """Shows every evaluation to :class:`KeptPeaks` and keeps its state in the Trainer's checkpoints.

    The Trainer's ``compute_loss`` takes its losses from ``peaks.losses(...)``, and its ``compute_metrics`` gives every
    task's metric. For balancing see :class:`BalancedTrainer`.

    Args:
        peaks: The tasks' convergence.
        metric: Name of a task's metric among those of an evaluation.
    """

    def __init__(self, peaks: KeptPeaks, metric: str = "eval_{task}") -> None:
        self.peaks, self.metric = peaks, metric

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        file = Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE
        if not state.global_step:
            return
        if not file.exists():
            raise UserError(
                f"{file}: not found, and without it all peaks would be forgotten; resume with output_dir as the "
                "folder that holds the checkpoint, or begin a new training"
            )
        self.peaks.load_state_dict(load_tree(file))

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if is_first():
            save_tree(Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE, self.peaks.state_dict())

    def on_evaluate(self, args: Any, state: Any, control: Any, **known: Any) -> None:
        found = metrics_of(self.peaks, known["metrics"], self.metric)
        self.peaks.update(state.global_step, found, known["model"])
