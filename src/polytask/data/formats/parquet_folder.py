"""A folder of Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from ...errors import UserError, did_you_mean
from ..format import Format, damaged, wanted


class ParquetFolder(Format):
    """The rows of all Parquet files in a folder and below, in the order of their paths; other files do not count.

    Folders that are called ``name=value``, as Spark and Hive have them, are columns. Files have the same columns; where
    their types differ the wider one is taken.
    """

    about = "Parquet files with the same columns, in the order of their names; folders named `name=value` add a column"

    def accepts(self, path: Path) -> bool:
        """Folders with such files; a run's folder holds one, too."""
        return path.is_dir() and not (path / "config.yaml").exists() and bool(self.files(path))

    def files(self, path: Path) -> list[Path]:
        found = [file for file in path.rglob("*.parquet") if file.is_file()]
        return sorted(file for file in found if not any(part[0] in "._" for part in file.relative_to(path).parts))

    def read(self, path: Path, columns: Sequence[str] | None) -> tuple[pa.Table, list[str]]:
        with damaged(path, "folder of Parquet files"):
            dataset = self._dataset(path)
            files = self.files(path)
            return dataset.to_table(wanted(dataset.schema.names, columns)), [f"{len(files):,} Parquet files"]

    def names(self, path: Path) -> Sequence[str]:
        with damaged(path, "folder of Parquet files"):
            return list(self._dataset(path).schema.names)

    def pieces(self, path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        with damaged(path, "folder of Parquet files"):
            dataset, empty = self._dataset(path), True
            names = wanted(dataset.schema.names, columns)
            for batch in dataset.to_batches(columns=names, batch_size=rows, batch_readahead=1, fragment_readahead=1):
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])
                    empty = False
            if empty:
                yield dataset.schema.empty_table().select(dataset.schema.names if names is None else names)

    def is_small(self, path: Path, rows: int, size: int) -> bool:
        with damaged(path, "folder of Parquet files"):
            return sum(pa.parquet.read_metadata(file).num_rows for file in self.files(path)) <= rows

    def _dataset(self, path: Path) -> Any:
        from pyarrow import dataset  # loads pandas, which other formats need not wait for

        files = self.files(path)
        schemas = [_schema(file) for file in files]
        for file, schema in zip(files, schemas, strict=True):
            _check_same(file, schema, files[0], schemas[0])
        partitioning = dataset.partitioning(flavor="hive")
        options = {"format": "parquet", "partitioning": partitioning, "partition_base_dir": str(path)}
        found = dataset.dataset([str(file) for file in files], **options)
        beside = [field for field in found.schema if field.name not in schemas[0].names]
        try:
            whole = pa.unify_schemas([*schemas, pa.schema(beside)], promote_options="permissive")
        except pa.ArrowTypeError as error:
            raise UserError(f"{path}: a column has types in its files that do not fit: {error}") from None
        return found.replace_schema(whole)


def _schema(file: Path) -> pa.Schema:
    with damaged(file, "Parquet file"):
        return pa.parquet.read_schema(file).remove_metadata()


def _check_same(file: Path, schema: pa.Schema, first: Path, expected: pa.Schema) -> None:
    missing = [name for name in expected.names if name not in schema.names]
    more = [name for name in schema.names if name not in expected.names]
    if missing:
        raise UserError(f"{file}: column {missing[0]!r} of {first.name} is missing; "
                        f"{did_you_mean(missing[0], schema.names)}")  # fmt: skip
    if more:
        raise UserError(f"{file}: has column {more[0]!r}, which {first.name} has not; all files of a folder have the "
                        "same columns")  # fmt: skip


FORMAT = ParquetFolder()
