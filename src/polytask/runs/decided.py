"""What a configuration leaves to the machine: decided once when a run begins, written, and obeyed when it continues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..config import Config
from ..errors import UserError
from ..processes.collectives import numbers_of_first
from ..records.folder import RunFolder
from ..training.threads import cpu_threads
from .preparation.prepare import source_of


@dataclass(frozen=True)
class Decided:
    """The decisions, as ``state.json`` and ``made_with`` in ``results.json`` have them.

    Attributes:
        stream: Features stay in the file; of ``stream: auto`` the memory of the machine decides.
        device: ``cpu`` or ``cuda``; of ``device: auto`` whether there is one.
        threads: What a large network trains with on a CPU where ``threads`` is not given.
    """

    stream: bool
    device: str
    threads: int

    @classmethod
    def here(cls, config: Config) -> Decided:
        """What this machine decides; of several processes, the first."""
        cuda = config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
        found = numbers_of_first([bool(source_of(config).streams), cuda, torch.get_num_threads()])
        return cls(bool(found[0]), "cuda" if found[1] else "cpu", int(found[2]))

    @classmethod
    def stored(cls, state: Mapping[str, Any] | None, where: str) -> Decided | None:
        """The decisions of a run that has begun; None for one of a version that wrote none.

        Raises:
            UserError: If they are damaged, or this machine has no GPU and the run began on one.
        """
        if state is None:
            return None
        try:
            found = cls(bool(state["stream"]), str(state["device"]), int(state["threads"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{where}: damaged (decided: {error!r}); restore the file or start a new run") from None
        if found.device == "cuda" and not torch.cuda.is_available():
            raise UserError(f"{where}: the run began on a GPU, and there is none here; resume it where one is, or "
                            "begin a new run with --device cpu")  # fmt: skip
        return found

    def applied(self, config: Config) -> Config:
        """``config`` with nothing left to the machine."""
        stream = config.stream if source_of(config).streams is None else self.stream
        return config.model_copy(update={"stream": stream, "device": self.device})

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """As many threads as were decided."""
        with cpu_threads(self.threads):
            yield


def decisions(config: Config, out: Path, resume: bool) -> Decided:
    """Those of the run in ``out`` if it continues, otherwise those of this machine.

    Raises:
        UserError: See :meth:`Decided.stored`, and if ``stream`` is asked for where it is not possible.
    """
    run = RunFolder.open(out) if resume else None
    found = Decided.stored(run.decided, str(run.state)) if run is not None else None
    return found or Decided.here(config)
