"""A Parquet table that may be larger than memory: labels are held, features are read while training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch
from torch import Tensor

from ...config import Config
from ...config.split import is_drawn, split_column
from ...data import (
    MOST_HELD,
    PARTS,
    RowGroups,
    Rows,
    Schema,
    StoredInput,
    check_parts,
    encode_targets,
    interpret,
    label_columns,
    sample_weights,
    table_pieces,
    weight_columns,
)
from ...data.equal_rows import equal_rows, row_keys
from ...data.stored import load
from ...data.table import can_stream
from ...errors import UserError, raise_all
from ...pretrained import memory_bytes
from ...task import KINDS, Task
from ...task.kind import WordsKind
from .encoded import EncodedColumns, pretrained
from .encoded_stored import StoredEncoding
from .reading import reading_of
from .source import TableSource
from .splitting import Cells, split_rows, with_scaffolds

#: Rows that statistics of the columns are taken from.
SAMPLE = 200_000
#: A part of at most this many rows is held in memory.
HELD_ROWS = MOST_HELD
#: Values of a target that are looked for in all rows, so that a rare class is not overlooked.
MOST_VALUES = 1_000
#: With `stream: auto`, a table that decoded takes more than this share of the machine's memory is read while training.
MEMORY_SHARE = 0.25


def wants_streaming(config: Config) -> bool:
    """Whether the features are to stay in the file.

    Raises:
        UserError: If they are, and the data are not one Parquet file.
    """
    path = Path(config.sources[0].table)
    possible = len(config.sources) == 1 and can_stream(path)
    if config.stream is True and not possible:
        raise UserError(
            f"stream: only a single Parquet file can be read while training, found {config.data_name}; convert it "
            "(pyarrow.parquet.write_table), or leave stream out"
        )
    if (encoder := pretrained(config)) is not None:
        if config.stream is True and encoder.schema_options()["encoded"] == "image":
            raise UserError("stream: images are read from their files batch by batch where they do not fit into "
                            "memory, and the table with their paths is small; leave stream out")  # fmt: skip
        if config.stream == "auto" and (encoder.frozen or encoder.schema_options()["encoded"] == "image"):
            return False  # frozen features would be computed in every pass: only if that is asked for
    if config.held_files or config.folds or config.stream != "auto" or not possible or not path.is_file():
        return config.stream is True
    try:
        metadata = pa.parquet.read_metadata(path)
    except (pa.ArrowException, OSError):
        return False  # reading it states what is wrong
    size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    return size > MEMORY_SHARE * memory_bytes()


class StoredTable(TableSource):
    """A Parquet file whose labels are held and whose features are read while training, so that memory grows by the
    labels alone.

    What columns are, their statistics and leaks are taken from a sample of the rows, in which every class appears.
    The split is that of a table that is read at once.
    """

    streams = True

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        raise_all([
            f"kind of {name!r}: {kind.holds} cannot be streamed; `stream: false` reads the whole table at once"
            for name, kind in ((name, KINDS[kind]) for name, kind in config.kind.items())
            if isinstance(kind, WordsKind)
        ])  # fmt: skip
        self.path = Path(config.sources[0].table)
        cells, self.positions = _sample(self.path, config)
        self.table, found, self.decimal, self.units = interpret(cells, reading_of(config))
        self.notes += found

    @classmethod
    def takes(cls, config: Config) -> bool:
        return wants_streaming(config)

    def judged(self, split: np.ndarray) -> np.ndarray:
        return split[self.positions]

    def split(self, tasks: Sequence[Task], stored: Path | None) -> np.ndarray:
        cells_of = Schema(
            tuple(tasks), missing=self.roles["missing"], renamed=self.roles["renamed"], decimal=self.decimal,
            units=self.units,
        )  # fmt: skip
        cells = with_scaffolds(self.config, self.table, self.column, self.where)
        split, said = _split(self.config, self.path, cells_of, cells, stored, self.where)
        self.notes += said
        return split

    def column(self, name: str) -> pa.ChunkedArray:
        return interpret(pa.parquet.read_table(self.path, columns=[name]), reading_of(self.config)).table[name]

    def rows(self, schema: Schema, split: np.ndarray) -> tuple[dict[str, Rows], EncodedColumns | None]:
        judged = self.judged(split)
        equal = equal_rows(row_keys(self.table, schema), judged, is_drawn(self.config))
        self.warnings += [f"in a sample of the rows: {note}" for note in equal]
        labels, weights = _labels(self.config, self.path, schema, split, self.where)
        self.warnings += check_parts([list(part.numpy().T) for part in labels], schema.tasks, self.where)
        encode = StoredEncoding.fit(self.config, schema, self.table, judged == 0, self.where)
        rows, groups = _parts(self.path, encode, split, labels, weights), self.groups(split)
        if groups is not None:
            rows = {
                part: replace(own, groups=groups[torch.from_numpy(split == code)])
                for code, (part, own) in enumerate(rows.items())
            }
        return rows, encode.encoded


def _sample(path: Path, config: Config) -> tuple[pa.Table, np.ndarray]:
    """Some rows, one of every value of a target with few among them, and their positions."""
    generator = np.random.default_rng(config.seed)
    total = pa.parquet.read_metadata(path).num_rows if path.is_file() else 0
    seen: dict[str, set[Any]] = {target: set() for target in config.targets}
    parts, positions, start = [], [], 0
    for piece in table_pieces(path):
        chosen = generator.random(piece.num_rows) < SAMPLE / max(total, 1)
        for target, values in seen.items():
            if (
                target in piece.column_names
                and len(values) <= MOST_VALUES
                and not pa.types.is_nested(piece[target].type)
            ):
                chosen[_firsts(piece[target], values)] = True
        at = np.flatnonzero(chosen)
        parts.append(piece.take(at))
        positions.append(at + start)
        start += piece.num_rows
    return pa.concat_tables(parts), np.concatenate(positions)


def _firsts(column: pa.ChunkedArray, seen: set[Any]) -> list[int]:
    """Rows in which a value appears for the first time; ``seen`` grows."""
    coded = column.combine_chunks().dictionary_encode()
    words, codes = coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False)
    new = {code for code, word in enumerate(words) if word not in seen}
    if not new or len(words) > MOST_VALUES:
        seen.update(words)
        return []
    seen.update(words)
    known, first = np.unique(codes, return_index=True)
    return [int(row) for code, row in zip(known, first, strict=True) if code in new]


def _split(
    config: Config, path: Path, schema: Schema, cells: Cells, stored: Path | None, where: str
) -> tuple[np.ndarray, list[str]]:
    if split_column(config) is not None or (stored is not None and stored.exists()):
        rows = pa.parquet.read_metadata(path).num_rows
        return split_rows(config, cells, np.empty((rows, 0)), [], stored, where)
    pieces = table_pieces(path, columns=config.targets)
    tasks = schema.tasks
    labels = torch.cat([encode_targets(schema.read(piece), tasks, where=where, precise=True) for piece in pieces])
    values, columns = label_columns(labels, {}, tasks)
    return split_rows(config, cells, values, columns, stored, where)


def _labels(
    config: Config, path: Path, schema: Schema, split: np.ndarray, where: str
) -> tuple[list[Tensor], list[Tensor] | None]:
    """``[n, K]`` labels of every part with NaN where there is none, and their weights if there are any."""
    sizes = np.bincount(split, minlength=len(PARTS)).tolist()
    labels = [torch.empty(size, len(schema.tasks)) for size in sizes]
    columns = weight_columns(config.sample_weight)
    width = 1 if isinstance(config.sample_weight, str) else len(schema.tasks)
    weights = [torch.empty(size, width) for size in sizes] if columns else None
    done, start = [0] * len(PARTS), 0
    for piece in table_pieces(path, columns=[*config.targets, *columns]):
        found = schema.encode_targets(piece, where=where)
        own = sample_weights(piece, config.sample_weight, config.targets, where=where) if config.sample_weight else None
        codes = torch.from_numpy(split[start : start + piece.num_rows])
        for code in range(len(PARTS)):
            at = (codes == code).nonzero()[:, 0]
            place = slice(done[code], done[code] + len(at))
            labels[code][place] = found[at]
            if weights is not None and own is not None:
                weights[code][place] = own[at]
            done[code] += len(at)
        start += piece.num_rows
    return labels, weights


def _parts(
    path: Path, encode: StoredEncoding, split: np.ndarray, labels: list[Tensor], weights: list[Tensor] | None
) -> dict[str, Rows]:
    """The rows of every part: small ones in memory, large ones with their inputs in the file."""
    places = [torch.from_numpy(np.flatnonzero(split == code)) for code in range(len(PARTS))]
    held = [code for code, place in enumerate(places) if code and len(place) <= HELD_ROWS]
    once = RowGroups(path, encode.schema.feature_names, encode)
    loaded = dict(zip(held, load(once, [places[code] for code in held]), strict=True))
    rows = {}
    for code, part in enumerate(PARTS):
        inputs = loaded[code] if code in loaded else _stored(path, encode, places[code])
        observed = ~labels[code].isnan()
        rows[part] = Rows(inputs, labels[code].nan_to_num_(0.0), None if bool(observed.all()) else observed)
        if weights is not None:
            rows[part] = rows[part].with_weights(weights[code])
    return rows


def _stored(path: Path, encode: StoredEncoding, places: Tensor) -> dict[str, StoredInput]:
    groups = RowGroups(path, encode.schema.feature_names, encode)
    return {name: StoredInput(groups, name).only(places) for name in encode.names}
