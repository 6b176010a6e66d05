"""Arrow's own files, Feather."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..format import Format, damaged, wanted


class Arrow(Format):
    """Arrow IPC files, which is Feather version 2; mapped, so that columns which are not used cost no memory."""

    endings = (".arrow", ".feather")
    about = "Arrow IPC files, Feather"
    magic = b"ARROW1"
    called = "an Arrow file"
    writes = True

    def read(self, path: Path, columns: Sequence[str] | None) -> tuple[pa.Table, list[str]]:
        with damaged(path, "Arrow file"):
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            return table if columns is None else table.select(wanted(table.column_names, columns)), []

    def names(self, path: Path) -> Sequence[str]:
        with damaged(path, "Arrow file"), pa.ipc.open_file(pa.memory_map(str(path))) as file:
            return list(file.schema.names)

    def pieces(self, path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        with damaged(path, "Arrow file"), pa.ipc.open_file(pa.memory_map(str(path))) as file:
            names = wanted(file.schema.names, columns)
            empty = file.schema.empty_table()
            yielded = False
            for number in range(file.num_record_batches):
                table = pa.Table.from_batches([file.get_batch(number)])
                table = table if names is None else table.select(names)
                for start in range(0, table.num_rows, rows):
                    yield table.slice(start, rows)
                    yielded = True
            if not yielded:
                yield empty if names is None else empty.select(names)

    def is_small(self, path: Path, rows: int, size: int) -> bool:
        return path.stat().st_size <= size

    def writer(self, path: Path, schema: pa.Schema, name: str) -> Any:
        return pa.ipc.new_file(str(path), schema)


FORMAT = Arrow()
