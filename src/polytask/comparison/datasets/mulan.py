"""Multi-target regression sets of the Mulan collection; the targets are the last columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...display.display import Display
from .census import write_parquet
from .files import DataFile

#: Number of targets of the sets of the collection.
TARGETS = {
    "andro": 6,
    "edm": 2,
    "enb": 2,
    "jura": 3,
    "rf1": 8,
    "scm20d": 16,
    "sf1": 3,
    "sf2": 3,
    "slump": 3,
    "wq": 14,
}
#: Sets whose rows follow each other in time: a random split would leak.
IN_TIME = ("rf1", "scm20d")
SHA256 = {
    "andro": "08f0e2757b2a7635136ac58ea76c4e801ffeb0a81116b29e6ac169228c8aa132",
    "edm": "37777374030f592a53cbcf597ae0aa6105238a1c696dd04ccb229be982f6bc5b",
    "enb": "8277d9094ccda6da2cd1c2b79c90ca201fa3695e75aca173ffc43138dcab0071",
    "jura": "78ce7655f49073e3622ef7ba25657b3900a2b279ba3d48cb82e353e56bac3d2a",
    "rf1": "994f9e334811e040d2002e46d3ce06504e5d441249bf65448f53d6ea24b33cf0",
    "scm20d": "2261a94bff5cfb617dbd2e7fd2c17d15d45135103a081917d1358c2ad13a4bd2",
    "sf1": "8f78e64aca64f7c0c7ba4d9b2f114feb2a6f72e6116e87d7dab94e7cab426d93",
    "sf2": "2c1ac60f3e612b0e0bc9884ffe98a205ce07ca83f3f89c019220fde350396795",
    "slump": "3a9a9eba416b06c7668153b44073a0e165afbfc9e526d53b174e5f97a707ca6c",
    "wq": "4a0906b4a51bf52c986790ddaf261ba51faa3da9cffe823badabd88d38d252fe",
}
_ATTRIBUTE = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.*)", re.IGNORECASE)


def mulan(name: str) -> Callable[[Path, Display], dict[str, Any]]:
    """The maker of one set's table."""

    def make(folder: Path, display: Display) -> dict[str, Any]:
        """A set of the Mulan collection."""
        path = folder / f"{name}.parquet"
        table = read_arff(_file(name).path(display))
        targets = table.column_names[-TARGETS[name] :]
        keys: dict[str, Any] = {"data": str(path), "targets": targets, "kind": dict.fromkeys(targets, "regression")}
        if name in IN_TIME:
            table = table.append_column("row", pa.array(range(table.num_rows)))
            keys["time"] = "row"
        if not path.exists():
            write_parquet(table, path)
        return keys

    return make


def _file(name: str) -> DataFile:
    if name in IN_TIME:
        source = f"Zhendong-Wang/Probabilistic-Conformal-Prediction/raw/e6f505be/data/{name}.arff"
    else:
        source = f"tsoumakas/mulan/raw/43f63890/data/multi-target/{name}.arff"
    return DataFile(f"mtr/{name}.arff", SHA256[name], f"https://github.com/{source}")


def read_arff(path: Path) -> pa.Table:
    """A dense ARFF file: numeric columns as numbers, nominal ones as words, "?" as missing."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    start = next(number for number, line in enumerate(lines) if line.lower() == "@data")
    attributes = [match.groups() for line in lines[:start] if (match := _ATTRIBUTE.match(line))]
    rows = [line.split(",") for line in lines[start + 1 :] if line and not line.startswith("%")]
    cells = np.char.strip(np.array(rows, dtype=str))
    columns = {
        name.strip("'\""): _nominal(cells[:, j]) if kind.startswith("{") else _numeric(cells[:, j])
        for j, (name, kind) in enumerate(attributes)
    }
    return pa.table(columns)


def _nominal(cells: np.ndarray) -> pa.Array:
    return pa.array(cells, mask=cells == "?")


def _numeric(cells: np.ndarray) -> pa.Array:
    missing = cells == "?"
    return pa.array(np.where(missing, "0", cells).astype(float), mask=missing)
