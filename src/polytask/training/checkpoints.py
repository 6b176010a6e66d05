"""Everything that changes while training, in one file from which a run continues bit for bit."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..balancing.randomness import rng_state, set_rng_state
from ..errors import DamagedFileError, UserError
from ..processes.collectives import gather_from_all, is_first, numbers_of_first, rank, wait_for_all, world_size
from .background import Background
from .evaluation import Evaluation
from .trees import TreeCopy, load_tree

if TYPE_CHECKING:
    from .events import EventLog
    from .loop import Training
    from .snapshots import Snapshots

#: Of what is in a checkpoint. Rises with every change of :func:`training_state`, or of what its parts hold.
FORMAT = 4


class Checkpoints:
    """The newest checkpoints of one training, ``checkpoint-<step>.safetensors``.

    Training only takes a copy of its state; another thread writes it. While it does no other is due: a disk that is
    slow makes checkpoints rarer and not training slower. With ``seconds`` 0 there is one after every step, and training
    waits for the one before.

    Args:
        folder: Where they go; None writes none.
        snapshots: Parameters of earlier evaluations to which they refer.
        seconds: Least time between two of them.
        keep: How many stay on disk: should the newest turn out damaged, the one before it is used.
    """

    def __init__(self, folder: Path | None, snapshots: Snapshots, seconds: float, keep: int = 2) -> None:
        self.folder, self.snapshots, self.seconds, self.keep = folder, snapshots, seconds, keep
        self._saved_at = time.monotonic()
        self._needed: dict[int, set[int]] = {}  # snapshots of each checkpoint that is kept
        self._writing = Background()

    @property
    def enabled(self) -> bool:
        """Whether there is a position for them."""
        return self.folder is not None

    def due(self, evaluating: bool) -> bool:
        """Whether it is time for the next; several processes save together, at evaluations only.

        Raises:
            OSError: If the last, or a snapshot, could not be written.
        """
        self._writing.check()
        self.snapshots.check()
        due = time.monotonic() - self._saved_at > self.seconds and not (self._writing.busy and self.seconds)
        if world_size() == 1:
            return due
        return evaluating and bool(numbers_of_first([due])[0])

    def save(self, training: Training) -> None:
        """Begin to write a checkpoint of this moment, once the one before is written.

        Raises:
            OSError: If the one before could not be written.
        """
        if self.folder is None:
            return
        self._saved_at = time.monotonic()
        state = training_state(training)
        state["recovery"] = training.recovery.state_dict(training.step)
        kept = [*self._needed.items(), (training.step, training.needed_snapshots())]
        self._needed = dict(kept[-self.keep :])
        if is_first():
            self._writing.wait()  # so that there are never two copies
            pending = self.snapshots.pending
            self._writing.start(
                partial(self._write, training.step, TreeCopy(state), self._needed, training.log, pending)
            )

    def begin_anew(self, training: Training) -> None:
        """Replace all checkpoints by one of this moment: a training has gone back to an earlier step."""
        self._needed = {}
        self.save(training)

    def _write(
        self, step: int, state: TreeCopy, kept: dict[int, set[int]], log: EventLog, snapshot: Future[None] | None
    ) -> None:
        """Write a checkpoint, and then drop what neither it, nor the ones before it, nor anyone needs any more."""
        log.sync()
        if snapshot is not None:
            snapshot.result()  # a snapshot that cannot be written: no checkpoint refers to it
        state.save(self._path(step))
        self._keep(kept, until=step)  # training may have made others since

    @contextmanager
    def written(self) -> Iterator[None]:
        """At the end of the block the last checkpoint is on the disk, also if the block fails.

        Raises:
            OSError: If it could not be written; a warning if the block fails.
        """
        try:
            yield
        except BaseException as failure:
            try:
                self.wait()
            except OSError as error:
                if error.errno != getattr(failure, "errno", None):  # otherwise it is the same full disk
                    warnings.warn(f"the last checkpoint could not be written: {error}", stacklevel=2)
            raise
        self.wait()

    def wait(self) -> None:
        """Return when the last checkpoint, and all snapshots, are on the disk.

        Raises:
            OSError: If one could not be written.
        """
        try:
            self._writing.wait()
        finally:
            self.snapshots.wait()

    def resume(self, training: Training) -> bool:
        """Continue from the newest whole checkpoint; False if there is none.

        Warns of damaged ones.

        Raises:
            DamagedFileError: If all are damaged.
            UserError: If another version of polytask wrote it.
        """
        steps = sorted(checkpoint_steps(self.folder), reverse=True) if self.folder else []
        state, damaged = None, []
        for step in steps:
            try:
                state = load_tree(self._path(step))
                break
            except DamagedFileError as error:
                damaged.append(error)
        wait_for_all()  # none writes or removes a checkpoint before all have looked for one
        if state is None:
            if damaged:
                raise damaged[0]
            return False
        for problem in damaged:
            warnings.warn(f"{problem}. The checkpoint of step {step} is used instead", stacklevel=2)
        if state.get("format") != FORMAT:
            found = state.get("format", 1)
            raise UserError(
                f"{self._path(step)}: a checkpoint of format {FORMAT} is expected, found {found}: another version of "
                "polytask wrote it; resume with that one, or train again in another folder"
            )
        load_training_state(training, state)
        training.recovery.load_state_dict(training, state["recovery"])
        if training.recovery.step == training.step:
            training.recovery.note(training, state)
        self._needed = {step: training.needed_snapshots()}
        self._keep(self._needed)
        return True

    def discard(self) -> None:
        """Remove all checkpoints and snapshots."""
        self.wait()
        self._needed = {}
        self._keep({})

    def _keep(self, kept: dict[int, set[int]], until: float = math.inf) -> None:
        if self.folder is not None and is_first():
            for step in checkpoint_steps(self.folder) - set(kept):
                self._path(step).unlink()
        self.snapshots.keep_only(set().union(*kept.values()), until)

    def _path(self, step: int) -> Path:
        assert self.folder is not None
        return self.folder / f"checkpoint-{step}.safetensors"


def checkpoint_steps(folder: Path) -> set[int]:
    """Steps of which a training's folder has a checkpoint."""
    return {int(path.stem.partition("-")[2]) for path in folder.glob("checkpoint-*.safetensors")}


def training_state(training: Training) -> dict[str, Any]:
    """Everything that changes while training; of several processes all must call it."""
    return {
        "format": FORMAT,
        "step": training.step,
        "seconds": training.seconds,
        "rng": gather_from_all(rng_state()),
        "model": dict(training.model.state_dict()),
        "average": dict(training.average.model.state_dict()) if training.average else {},
        "schedule": [training.schedule_start, training.schedule_steps],
        "optimizer": training.optimizer.state_dict(),
        "balancer": dict(training.balancer.state_dict()),
        "precision": training.precision.state_dict(),
        "returned": training.returned.state_dict(),
        "history": [dict(vars(evaluation)) for evaluation in training.history],
        "sums": training.sums.values,
        "weights": training.weights,
        "gradients": training.gradients.sums,
        "callbacks": [callback.state_dict() for callback in training.callbacks],
        "log": training.log.position(),
    }


def load_training_state(training: Training, state: dict[str, Any]) -> None:
    """Continue from :func:`training_state`; without ``history`` and ``log`` these continue as they are."""
    training.step, training.seconds = state["step"], state["seconds"]
    training.model.load_state_dict(state["model"])
    if training.average:
        training.average.model.load_state_dict(state["average"])
    training.schedule_start, training.schedule_steps = state["schedule"]
    training.optimizer.load_state_dict(state["optimizer"])
    training.balancer.load_state_dict(state["balancer"])
    training.precision.load_state_dict(state["precision"])
    training.returned.load_state_dict(state["returned"])
    if "history" in state:
        training.history = [Evaluation(**evaluation) for evaluation in state["history"]]
    training.sums.values = state["sums"]
    training.weights = state["weights"].to(training.device)
    training.gradients.sums = state["gradients"].to(training.device)
    for callback, callback_state in zip(training.callbacks, state["callbacks"], strict=True):
        callback.load_state_dict(callback_state)
    if "log" in state:
        training.log.rewind(state["log"])
    set_rng_state(state["rng"][rank() % len(state["rng"])])
    for callback in training.callbacks:
        callback.resume(training)
