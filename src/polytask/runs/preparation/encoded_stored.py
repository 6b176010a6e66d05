"""A pretrained encoder of texts on a table that stays in its file."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch.nn import functional as F

from ...config import Config
from ...data import Schema
from ...pretrained import NOTHING, VECTORS, TextReader
from .encoded import EncodedColumns, pretrained
from .prepared import device_of_features

#: Rows of the sample whose frozen features give mean and spread.
MOMENT_ROWS = 20_000
#: What the positions behind the end of a text hold, by input.
BLANK = {"tokens": NOTHING, "second": False}
#: Readers of several parts have one tokenizer, which bears one thread at a time.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class StoredEncoding:
    """From some rows of a table to inputs: those of its schema, and those of a pretrained encoder in one width, so that
    rows of different pieces go into one batch.

    Attributes:
        schema: The stored transformation.
        encoded: Columns that a pretrained encoder reads, if there are any.
    """

    schema: Schema
    encoded: EncodedColumns | None = None

    @classmethod
    def fit(
        cls, config: Config, schema: Schema, sample: pa.Table, train: np.ndarray, where: str = "table"
    ) -> StoredEncoding:
        """Learn from a sample what the encoder needs: length of texts, mean and spread of frozen features.

        Args:
            config: Of the run.
            schema: Fitted to the sample.
            sample: Some rows.
            train: ``[n]`` bool, those for training.
            where: Name of the table in messages.
        """
        if (encoder := pretrained(config)) is None:
            return cls(schema)
        device = device_of_features(config)
        encoded = EncodedColumns.fit(encoder, schema, sample, train, where=where, device=device)
        if encoded.frozen:
            rows = np.flatnonzero(train)
            some = sample.take(rows[:: -(-len(rows) // MOMENT_ROWS)])
            encoded, _ = encoded.fitted(some, np.ones(some.num_rows, bool), folder=Path(), where=where)
        return cls(schema, encoded)

    @property
    def names(self) -> list[str]:
        """Keys of the inputs."""
        if self.encoded is None:
            return self.schema.input_names
        pair = ["second"] * (len(self.encoded.columns) == 2)
        return [*self.schema.input_names, *([VECTORS] if self.encoded.frozen else ["tokens", *pair])]

    def __call__(self, table: pa.Table) -> dict[str, Any]:
        """Inputs by name."""
        inputs: dict[str, Any] = self.schema.encode_inputs(table)
        if self.encoded is None:
            return inputs
        with _ONE_AT_A_TIME:
            found = self.encoded.inputs(table, folder=Path())
        assert isinstance(self.encoded.reader, TextReader), "images are not streamed"
        longest = self.encoded.reader.max_length
        return inputs | {name: self._whole(name, values, longest) for name, values in found.items()}

    def _whole(self, name: str, values: torch.Tensor, longest: int) -> torch.Tensor:
        return F.pad(values, (0, longest - values.shape[1]), value=BLANK[name]) if name in BLANK else values
