"""TMC 2007: 22 problems that reports on aviation safety name, and 500 words that they have or have not."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...display.display import Display
from .census import write_parquet
from .files import DataFile

_NAME = "multilabel/tmc2007-500/tmc2007-500-{}.arff"
_SOURCE = "https://github.com/tsoumakas/mulan/raw/43f63890/data/multi-label/tmc2007/tmc2007-500-{}.arff"
#: SHA-256 of the published files, and of these compressed, as a local folder may have them.
PUBLISHED = {
    "train": "edfe7b7615c6f80e54c92a214437610d1ae36560c5cc6c4253b51c434d258273",
    "test": "b24f9c3f1eba77c9da0bbaff093ba41d331b7351be0167a8e1e3852c62e25e38",
}
COMPRESSED = {
    "train": "542884f7388744be24ff78e1e71f851f1198a999cc9add19f62713ac36199532",
    "test": "5a70514326cd39607ec0189fa183ab8df91575a48eb8589118047101a76cb942",
}
TARGETS = 22
#: One in this many published training rows is for validation.
VALIDATION = 6


def tmc2007(folder: Path, display: Display) -> dict[str, Any]:
    """Binary targets; the published test part, and every sixth of the other rows for validation."""
    train, test = (read_sparse_arff(_text(part, display)) for part in ("train", "test"))
    targets = train.column_names[-TARGETS:]
    path = folder / "tmc2007.parquet"
    if not path.exists():
        drawn = np.where(np.arange(train.num_rows) % VALIDATION == VALIDATION - 1, "validation", "train")
        split = np.concatenate([drawn, np.full(test.num_rows, "test")])
        write_parquet(pa.concat_tables([train, test]).append_column("split", pa.array(split)), path)
    return {"data": str(path), "targets": targets, "kind": dict.fromkeys(targets, "binary"), "split": "split"}


def _text(part: str, display: Display) -> str:
    compressed = DataFile(_NAME.format(part) + ".gz", COMPRESSED[part], _SOURCE.format(part))
    if compressed.is_local():
        return gzip.decompress(compressed.path().read_bytes()).decode()
    return DataFile(_NAME.format(part), PUBLISHED[part], _SOURCE.format(part)).path(display).read_text()


def read_sparse_arff(text: str) -> pa.Table:
    """A sparse ARFF file of zeros and ones: rows are ``{place 1,place 1,...}``.

    Args:
        text: Its content.

    Example:
        >>> read_sparse_arff("@attribute abort {0,1}\\n@attribute class01 {0,1}\\n@data\\n{1 1}\\n{}").to_pydict()
        {'abort': [0, 0], 'class01': [1, 0]}
    """
    lines = text.splitlines()
    names = [line.split()[1] for line in lines if line.lower().startswith("@attribute")]
    rows = [line.strip("{} ") for line in lines if line.startswith("{")]
    dense = np.zeros((len(rows), len(names)), np.int8)
    for number, row in enumerate(rows):
        dense[number, [int(cell.split()[0]) for cell in row.split(",") if cell]] = 1
    return pa.table(dict(zip(names, dense.T, strict=True)))
