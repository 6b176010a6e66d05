"""Parquet files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from ..format import Format, damaged, wanted


class Parquet(Format):
    """Apache Parquet; columns have types."""

    endings = (".parquet",)
    about = "Parquet; large ones are streamed while training"
    magic = b"PAR1"
    called = "a Parquet file"
    streams = True
    writes = True

    def read(self, path: Path, columns: Sequence[str] | None) -> tuple[pa.Table, list[str]]:
        with damaged(path, "Parquet file"):
            file = pa.parquet.ParquetFile(path)
            return file.read(columns=wanted(file.schema_arrow.names, columns)), []

    def names(self, path: Path) -> Sequence[str]:
        with damaged(path, "Parquet file"):
            return list(pa.parquet.read_schema(path).names)

    def pieces(self, path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        with damaged(path, "Parquet file"):
            file = pa.parquet.ParquetFile(path, pre_buffer=False)  # otherwise all that was read is kept
            if file.metadata.num_rows == 0:
                yield file.schema_arrow.empty_table()
            for batch in file.iter_batches(rows, columns=wanted(file.schema_arrow.names, columns)):
                yield pa.Table.from_batches([batch])

    def is_small(self, path: Path, rows: int, size: int) -> bool:
        with contextlib.suppress(pa.ArrowException, OSError):
            return bool(pa.parquet.read_metadata(path).num_rows <= rows)
        return True  # reading it states what is wrong with it

    def writer(self, path: Path, schema: pa.Schema, name: str) -> Any:
        return pa.parquet.ParquetWriter(path, schema)


FORMAT = Parquet()
