"""The machine-readable history of a run: one JSON object per line."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import DamagedFileError
from ..files import sync
from ..processes.collectives import is_first

#: Pairs of an evaluation and a task whose numbers are all logged; from twice as many on every second evaluation has
#: them, from four times as many on every fourth, and so on.
_PAIRS = 2000


def is_detailed(evaluation: int, tasks: int) -> bool:
    """Whether the event of an evaluation holds the numbers of every task: of many tasks ever fewer events do.

    So the log of a training of 1,000 tasks takes a few megabytes, however many evaluations it has.

    Args:
        evaluation: Its place among those of the training.
        tasks: Number of tasks.

    Example:
        >>> [place for place in range(40) if is_detailed(place, 1000)]
        [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
        >>> all(is_detailed(place, 20) for place in range(200))
        True
    """
    doublings = (evaluation * tasks // _PAIRS).bit_length() - 1
    return evaluation % 2 ** max(0, doublings) == 0


def single_precision(values: dict[str, float]) -> dict[str, float]:
    """Numbers by task with the seven digits that a float32 has.

    Example:
        >>> single_precision({"a": 1 / 3})
        {'a': 0.3333333}
    """
    return {name: float(f"{value:.7g}") for name, value in values.items()}


class EventLog:
    """Appends events to ``metrics.jsonl``; every one has ``event``, ``step``, ``epoch`` and ``time``.

    Args:
        path: The file; None writes nothing. Of several processes only the first writes.

    Attributes:
        listeners: Called with every event; events that an interruption undid are sent again.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.listeners: list[Callable[[dict[str, Any]], None]] = []

    def write(self, event: str, *, step: int = 0, epoch: float = 0.0, **fields: Any) -> None:
        """Append one event; values that are not finite become null."""
        if self.path is None or not is_first():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = {"event": event, "step": step, "epoch": epoch, "time": time.time(), **fields}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(_finite(line), ensure_ascii=False) + "\n")
        for listener in self.listeners:
            listener(_finite(line))

    def take_over(self, path: Path) -> list[dict[str, Any]]:
        """Append the events of another log, and give them."""
        lines = path.read_bytes()
        events = [json.loads(line) for line in lines.splitlines()]
        if self.path is not None and is_first():
            with self.path.open("ab") as stream:
                stream.write(lines)
            for event in events:
                for listener in self.listeners:
                    listener(event)
        return events

    def position(self) -> int:
        """Where the next event will go; :meth:`rewind` takes it."""
        return self.path.stat().st_size if self.path is not None and self.path.exists() else 0

    def sync(self) -> None:
        """Return when the events so far are on the disk: before a file that refers to their position is written."""
        if self.path is not None and self.path.exists() and is_first():
            sync(self.path)

    def rewind(self, position: int) -> None:
        """Remove the events after ``position``: they will happen again.

        Raises:
            DamagedFileError: If there are not as many as there were.
        """
        if self.path is None or not is_first():
            return
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < position:
            raise DamagedFileError(
                f"{self.path}: damaged or truncated (expected at least {position:,} bytes, found {size:,}); "
                "restore the file or make the run again"
            )
        if size > position:
            os.truncate(self.path, position)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
