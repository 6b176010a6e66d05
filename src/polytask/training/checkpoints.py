"""Everything that changes while training, in one file from which a run continues bit for bit."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import load_tree, rng_state, save_tree, set_rng_state
from ..processes import gather_from_all, is_first, numbers_of_first, rank, wait_for_all, world_size
from .evaluation import Evaluation

if TYPE_CHECKING:
    from .loop import Training


class Checkpoints:
    """The checkpoint of one training.

    Args:
        folder: Where it goes; None writes none.
        seconds: Least time between two of them.
    """

    def __init__(self, folder: Path | None, seconds: float) -> None:
        self.path = folder / "checkpoint.safetensors" if folder else None
        self.seconds = seconds
        self._saved_at = time.monotonic()

    def due(self, evaluating: bool) -> bool:
        """Whether it is time for the next; several processes save together, at evaluations only."""
        due = time.monotonic() - self._saved_at > self.seconds
        if world_size() == 1:
            return due
        return evaluating and bool(numbers_of_first([due])[0])

    def save(self, training: Training) -> None:
        """Write the checkpoint, then drop the snapshots that neither it nor anybody needs any more."""
        if self.path is None:
            return
        state = training_state(training)
        if is_first():
            save_tree(self.path, state)
        training.snapshots.keep_only(training.needed_snapshots())
        self._saved_at = time.monotonic()

    def resume(self, training: Training) -> bool:
        """Continue from the checkpoint; False if there is none."""
        found = self.path is not None and self.path.exists()
        wait_for_all()  # none writes a checkpoint before all have looked for one
        if found:
            assert self.path is not None
            load_training_state(training, load_tree(self.path))
        return found

    def discard(self, training: Training) -> None:
        """Remove the checkpoint and all snapshots."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        training.snapshots.keep_only(set())


def training_state(training: Training) -> dict[str, Any]:
    """Everything that changes while training; of several processes all must call it."""
    return {
        "step": training.step,
        "seconds": training.seconds,
        "rng": gather_from_all(rng_state()),
        "model": dict(training.model.state_dict()),
        "average": dict(training.average.model.state_dict()) if training.average else {},
        "schedule_start": training.schedule_start,
        "optimizer": training.optimizer.state_dict(),
        "balancer": dict(training.balancer.state_dict()),
        "precision": training.fabric.strategy.precision.state_dict(),
        "returned": training.returned.state_dict(),
        "history": [asdict(evaluation) for evaluation in training.history],
        "sums": training.sums,
        "weights": training.weights,
        "callbacks": [callback.state_dict() for callback in training.callbacks],
        "log": training.log.position(),
    }


def load_training_state(training: Training, state: dict[str, Any]) -> None:
    """Continue from :func:`training_state`."""
    training.step, training.seconds = state["step"], state["seconds"]
    training.model.load_state_dict(state["model"])
    if training.average:
        training.average.model.load_state_dict(state["average"])
    training.schedule_start = state["schedule_start"]
    training.optimizer.load_state_dict(state["optimizer"])
    training.balancer.load_state_dict(state["balancer"])
    training.fabric.strategy.precision.load_state_dict(state["precision"])
    training.returned.load_state_dict(state["returned"])
    training.history = [Evaluation(**evaluation) for evaluation in state["history"]]
    training.sums = state["sums"].to(training.fabric.device)
    training.weights = state["weights"].to(training.fabric.device)
    for callback, callback_state in zip(training.callbacks, state["callbacks"], strict=True):
        callback.load_state_dict(callback_state)
    training.log.rewind(state["log"])
    set_rng_state(state["rng"][rank() % len(state["rng"])])
    for callback in training.callbacks:
        callback.resume(training)
