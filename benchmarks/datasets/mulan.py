"""A multi-target regression set in ARFF (the Mulan collection) as CSV; the targets are the last columns.

    python benchmarks/datasets/mulan.py rf1.arff rf1.csv --split 0.7,0.15,0.15

With ``--split`` a column ``split`` is added in the order of the rows: first training, then validation, then test. That
is the honest split for rf1 and scm20d, whose rows follow each other in time. The command prints the names of the last
columns (``--targets N``, by default the number known for the set).
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

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
_ATTRIBUTE = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.*)", re.IGNORECASE)


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


def ordered_split(n: int, fractions: list[float]) -> np.ndarray:
    """``[n]`` words: the first rows training, the next validation, the last test."""
    first, second = np.round(np.cumsum(fractions)[:2] * n)
    position = np.arange(n)
    return np.select([position < first, position < second], ["train", "validation"], "test")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path, metavar="RAW.arff")
    parser.add_argument("out", type=Path, metavar="OUT.csv")
    parser.add_argument("--targets", type=int, metavar="N", help="number of targets, the last columns")
    parser.add_argument("--split", metavar="0.7,0.15,0.15", help="add a column `split` in the order of the rows")
    args = parser.parse_args()
    table = read_arff(args.raw)
    count = args.targets or TARGETS.get(args.raw.stem)
    if not count:
        parser.error(f"number of targets of {args.raw.stem} is not known; say --targets N")
    targets = table.column_names[-count:]
    if args.split:
        fractions = [float(part) for part in args.split.split(",")]
        table = table.append_column("split", pa.array(ordered_split(table.num_rows, fractions)))
    pa.csv.write_csv(table, args.out)
    print(f"{args.out}: {table.num_rows} rows, {table.num_columns} columns\ntargets: {','.join(targets)}")


if __name__ == "__main__":
    main()
