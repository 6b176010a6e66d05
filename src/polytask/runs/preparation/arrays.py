"""From a folder of arrays to labelled rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...config import Config, is_given, keys_of
from ...data import InferredTask, Rows, Schema, check_split
from ...data.arrays import is_arrays, read_arrays
from ...errors import did_you_mean, raise_all
from ...task import Task
from .asked import as_asked
from .encoded import EncodedColumns, pretrained
from .encoded_arrays import encode_arrays
from .prepared import device_of_features
from .source import Source


class Arrays(Source):
    """A folder of arrays, which states itself what the targets and the parts are; see :mod:`polytask.data.arrays`."""

    streams = None

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.tasks, self.parts = read_arrays(Path(config.sources[0].table))

    @classmethod
    def takes(cls, config: Config) -> bool:
        return is_arrays(config.sources[0].table)

    def targets(self) -> tuple[InferredTask, ...]:
        names = [task.name for task in self.tasks]
        raise_all(list(self._problems(names)))
        positions = [names.index(name) for name in self.config.targets]
        self.parts = {part: found.only_tasks(positions) for part, found in self.parts.items()}
        weights = self.config.weights
        chosen = [replace(self.tasks[p], weight=weights.get(names[p], 1.0), losses=()) for p in positions]
        return tuple(InferredTask(as_asked(task, self.config), "as stored") for task in chosen)

    def _problems(self, names: list[str]) -> Iterator[str]:
        for name in self.config.targets:
            if name not in names:
                yield f"{self.where}: no target {name!r}; {did_you_mean(name, names)}"
        for key, known in keys_of(Config).items():
            if known.of_tables and is_given(self.config, key):
                yield f"{key}: has no effect on a folder of arrays, which holds this itself; leave it out"
        if self.config.named_encoder is not None and pretrained(self.config) is None:
            yield (
                f"encoder: {self.where} is a folder of arrays; give an encoder for inputs of shape "
                f"{list(self.parts['train'].inputs.shape[1:])}, such as "
                "{class: polytask.models.conv_encoder:ConvEncoder}, or hf:FOLDER for images"
            )

    def split(self, tasks: Sequence[Task], stored: Path | None) -> np.ndarray:
        split = np.repeat(np.arange(3, dtype=np.int8), [len(found) for found in self.parts.values()])
        labels = np.concatenate([
            np.where(found.observed.numpy(), found.targets.numpy(), np.nan) if found.observed is not None
            else found.targets.numpy()
            for found in self.parts.values()
        ])  # fmt: skip
        scalar = [place for place, task in enumerate(tasks) if not task.definition.wide]
        self.warnings += check_split(split, labels[:, scalar], [tasks[place] for place in scalar], where=self.where)
        return split

    def schema(self, tasks: Sequence[Task], split: np.ndarray) -> Schema:
        return Schema(tuple(tasks), rows=len(self.parts["train"]))

    def rows(self, schema: Schema, split: np.ndarray) -> tuple[dict[str, Rows], EncodedColumns | None]:
        if (encoder := pretrained(self.config)) is None:
            return self.parts, None
        encoded, parts = encode_arrays(
            encoder, schema.tasks, self.parts, where=self.where, device=device_of_features(self.config)
        )
        return parts, encoded
