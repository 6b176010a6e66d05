"""A run's folder: where things are, what is done, and that it is whole."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from ..config import Config
from ..errors import UserError
from ..files import write_bytes, write_json
from ..processes.collectives import is_first
from ..training import EventLog
from .layout import Layout
from .values import read_object

#: Held by the process that works on the run.
LOCK = ".lock"


class RunData(Protocol):
    """What a run is made of, as far as its folder holds it."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the data."""

    def started(self) -> dict[str, Any]:
        """What the first event states about rows, labels and warnings."""

    def save(self, schema: Path, split: Path, encoder: Path) -> None:
        """Write the transformation, the split and a pretrained encoder."""


class RunFolder(Layout):
    """The folder that ``fit`` writes and the other commands read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.log = EventLog(self.metrics)

    @classmethod
    def create(cls, path: Path, config: Config, data: RunData, decided: Mapping[str, Any]) -> RunFolder:
        """A new run; nothing is left of it if that fails.

        ``state.json`` comes first, without a position in the log, and again when all is there: see :meth:`begun`.

        Args:
            path: The folder.
            config: The run's configuration.
            data: What the run is made of.
            decided: What the machine has decided, see :class:`~polytask.runs.decided.Decided`.

        Raises:
            UserError: If the path exists, is not an empty folder and not the beginning of a run.
        """
        if cls.begun(path):
            refuse_existing(path)
        run = cls(path)
        path.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {"fingerprint": data.fingerprint, "decided": decided, "phases": {}, "log": None}
        try:
            write_json(run.state, state)
            write_bytes(run.config, config.beside(path).to_yaml().encode())
            data.save(run.schema, run.split, run.encoder)
            run.log.rewind(0)
            run.log.write("start", data=config.data_name, **data.started())
            run.log.sync()
            write_json(run.state, state | {"log": run.log.position()})
        except BaseException:
            for file in (run.state, run.config, run.schema, run.split, run.metrics):
                file.unlink(missing_ok=True)
            raise
        return run

    @classmethod
    def begun(cls, path: Path) -> bool:
        """Whether there is something to resume: not if the run was killed before its first files were complete."""
        return path.exists() and not cls._only_begins(path)

    @classmethod
    def _only_begins(cls, path: Path) -> bool:
        if not path.is_dir():
            return False
        if cls(path).state.exists():
            return read_object(cls(path).state).get("log", 0) is None
        return all(file.name.endswith(".tmp") or file.name == LOCK for file in path.iterdir())

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run.

        Raises:
            UserError: If the path is not a run.
        """
        run = cls(path)
        if not path.is_dir():
            raise UserError(f"{path}: no such run; expected a folder that `polytask fit --out {path}` made")
        if not run.config.exists() or not run.state.exists():
            raise UserError(f"{path}: not a run (no config.yaml or state.json); give the folder that `fit --out` made")
        return run

    @staticmethod
    @contextmanager
    def locked(path: Path) -> Iterator[None]:
        """Only one process at a time works in a run's folder; a killed one holds nothing.

        The lock's file stays: whoever waits for one that is removed holds another file than who comes next.

        Raises:
            UserError: If another process does.
        """
        if not is_first():  # of the processes of one run
            yield
            return
        existed = path.exists()
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UserError(
                f"{path}: another process works on this run; wait until it ends, stop it, or choose another --out"
            ) from None
        try:
            yield
        finally:
            if not existed and [file.name for file in path.iterdir()] == [LOCK]:
                (path / LOCK).unlink()
                path.rmdir()
            lock.release()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the data file."""
        return str(self._state()["fingerprint"])

    @property
    def decided(self) -> Mapping[str, Any] | None:
        """What the machine decided that the run began on."""
        return self._state().get("decided")

    @property
    def seconds(self) -> dict[str, float]:
        """Time of each finished phase."""
        return {name: phase["seconds"] for name, phase in self._state()["phases"].items()}

    def events(self, training: str) -> Path:
        """Events of a training that another process did, until they are taken over."""
        return self.trainings / training / "events.jsonl"

    def finished(self, training: str) -> bool:
        """Whether a training has a result."""
        return (self.trainings / training / "result.safetensors").exists()

    def kept(self, training: str) -> bool:
        """Whether a training has something to continue from."""
        from ..training.checkpoints import checkpoint_steps  # loads what trains, which a prediction need not wait for

        return self.finished(training) or bool(checkpoint_steps(self.trainings / training))

    def begun_here(self, training: str) -> bool:
        """Whether a training has begun, and its events are in the run's own log."""
        return self.kept(training) and not self.events(training).exists()

    def forget_unfinished(self) -> None:
        """Cut the events after the last finished phase."""
        self.log.rewind(self._state()["log"])

    def _state(self) -> dict[str, Any]:
        state = read_object(self.state)
        missing = [key for key in ("fingerprint", "phases", "log") if key not in state]
        if missing:
            raise UserError(f"{self.state}: damaged (no {', '.join(missing)}); restore the file or start a new run")
        return state

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase; interrupted phases add up. Events of a phase that did not finish and is not resumed are cut."""
        if not is_first():
            yield
            return
        state = self._state()
        before = state["phases"].get(name, {"seconds": 0.0, "done": False})
        aside = not before["done"] and self.events(name).exists()
        if aside or (not before["done"] and not self.kept(name)):
            self.log.rewind(state["log"])
        started = time.monotonic()
        done, taken = False, []
        try:
            yield
            done = True
            taken = self.log.take_over(self.events(name)) if aside else []
        finally:
            # A finished phase that is only read again keeps its time; one done by another process has that one's.
            spent = 0.0 if before["done"] else time.monotonic() - started
            seconds = taken[-1]["seconds"] if taken else before["seconds"] + spent
            state["phases"][name] = {"seconds": seconds, "done": done or before["done"]}
            if done and not before["done"]:
                self.log.sync()
                state["log"] = self.log.position()
            write_json(self.state, state)


def refuse_existing(path: Path) -> None:
    """Raise a :class:`UserError` if ``path`` is taken."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        run = Layout(path).config.exists()
        what = "this run exists" if run else "this folder exists and is not empty"
        remedy = "continue it with --resume, or " if run else ""
        raise UserError(f"{path}: {what}; {remedy}choose another --out, or delete it")
