"""Balancing and convergence inside a training of Hugging Face's Trainer (extra ``transformers``)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..balancing import Balancer
from ..errors import UserError
from ..extras import require
from ..processes.collectives import is_first, world_size
from ..training.trees import load_tree, save_tree
from .kept_peaks import KeptPeaks
from .logged import metrics_of, missing_metrics
from .renamed import renamed

require("transformers", "transformers", "accelerate", needed_by="polytask.integrations.transformers")
from transformers import Trainer, TrainerCallback  # noqa: E402, after the message that states how to get it

#: Files beside the Trainer's own in each of its checkpoints.
FILE, BALANCER_FILE = "kept_peaks.safetensors", "balancer.safetensors"


class BalancedTrainer(Trainer):
    """A Trainer whose losses are balanced. With gradient accumulation the gradient of an update is, as the Trainer's
    own, the mean over its micro-batches, for each of which the method finds weights; the logged loss is the mean of the
    sum of the tasks' losses. The balancer's state is in the Trainer's checkpoints, and it is told when an epoch ends.

    Write :meth:`compute_losses`, and for methods with per-task gradients :meth:`shared_parameters`.

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
        if losses or world_size() > 1:  # a batch without labels adds nothing; other processes may have some
            self.balancer.backward(
                losses,
                shared=self.shared_parameters(),
                backward=lambda total: self.accelerator.backward(total / parts),
            )
        return sum((loss.detach() for loss in losses.values()), torch.zeros((), device=self.args.device)) / parts

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        if is_first():
            save_tree(Path(output_dir) / BALANCER_FILE, dict(self.balancer.state_dict()))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, ConvergenceCallback):
                callback.checkpoint = Path(checkpoint)
        file = Path(checkpoint) / BALANCER_FILE
        if not file.exists():
            raise UserError(
                f"{checkpoint}: no {BALANCER_FILE}, so the balancer would start from scratch; resume from a checkpoint "
                "that a BalancedTrainer has written"
            )
        self.balancer.load_state_dict(load_tree(file))


class _EndOfEpoch(TrainerCallback):
    def __init__(self, balancer: Balancer) -> None:
        self.balancer = balancer

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.balancer.end_epoch()


class ConvergenceCallback(TrainerCallback):
    """Passes every evaluation of a training to :class:`KeptPeaks` and keeps its state in the Trainer's checkpoints.

    The Trainer's ``compute_loss`` takes its losses from ``peaks.losses(...)``, and its ``compute_metrics`` gives every
    task's metric; with several evaluation datasets those of one step count together. Evaluations outside of ``train``
    are ignored. For balancing see :class:`BalancedTrainer`.

    A training resumes from any folder with a :class:`BalancedTrainer`. A Trainer does not tell its callbacks where it
    resumes from: give ``TrainingArguments(resume_from_checkpoint=...)`` that folder as well, unless it lies in
    ``output_dir``.

    Args:
        peaks: The tasks' convergence.
        metric: Name of a task's metric among those of an evaluation.
    """

    def __init__(self, peaks: KeptPeaks, metric: str = "eval_{task}") -> None:
        self.peaks, self.metric = peaks, metric
        #: Where the training resumes from, if a :class:`BalancedTrainer` has told.
        self.checkpoint: Path | None = None
        self._training, self._noted = False, -1
        self._logged: dict[str, Any] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._training, self._noted, self._logged = True, -1, {}
        if state.global_step:
            self.peaks.load_state_dict(self._saved(args, state))

    def _saved(self, args: Any, state: Any) -> dict[str, Any]:
        """The state in the checkpoint that the Trainer has just read."""
        own = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        files = [Path(folder) / FILE for folder in (self.checkpoint, args.resume_from_checkpoint, own) if folder]
        file = next((file for file in files if file.exists()), files[0])
        remedy = (
            "use a BalancedTrainer, or give the folder that holds the checkpoint as "
            "TrainingArguments(resume_from_checkpoint=...), too"
        )
        if not file.exists():
            raise UserError(f"{file}: not found, without it all peaks would be lost; {remedy}")
        saved = load_tree(file)
        if saved.get("training", _fingerprint(state)) != _fingerprint(state):
            raise UserError(f"{file}: these peaks belong to a different training; {remedy}")
        return saved

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if is_first():
            tree = self.peaks.state_dict() | {"training": _fingerprint(state)}
            save_tree(Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE, tree)

    def on_evaluate(self, args: Any, state: Any, control: Any, **known: Any) -> None:
        if self._training and state.global_step != self._noted:
            self._logged |= known["metrics"]
            if not missing_metrics(self.peaks, self._logged, self.metric):
                self._note(state, known["model"])

    def on_step_begin(self, args: Any, state: Any, control: Any, **known: Any) -> None:
        if self._logged:
            self._note(state, known["model"])  # which states what is missing

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._training, self.checkpoint = False, None

    def _note(self, state: Any, model: nn.Module) -> None:
        found = metrics_of(self.peaks, self._logged, self.metric)
        self._noted, self._logged = state.global_step, {}
        self.peaks.update(state.global_step, found, model)


def _fingerprint(state: Any) -> str:
    """What tells one training's checkpoints from another's."""
    return hashlib.sha256(json.dumps([state.global_step, state.log_history], sort_keys=True).encode()).hexdigest()


def __getattr__(name: str) -> Any:
    if name == "KeepPeaks":
        return renamed(name, ConvergenceCallback)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
