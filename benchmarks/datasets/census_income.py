"""Census-Income (KDD) as one CSV file with targets and a split column.

    python benchmarks/datasets/census_income.py RAW_DIR OUT.csv

RAW_DIR holds ``census-income.test.gz`` (99,762 rows without a header). The conversion is that of the data set
``census_income`` of ``polytask compare``; see :mod:`polytask.comparison.datasets.census`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from polytask.comparison.datasets import census
from polytask.comparison.datasets.census import convert


def read_raw(folder: Path) -> pa.Table:
    """The raw columns, from the folder of the raw file."""
    return census.read_raw(folder / "census-income.test.gz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path, metavar="RAW_DIR")
    parser.add_argument("out", type=Path, metavar="OUT.csv")
    args = parser.parse_args()
    table = convert(read_raw(args.raw))
    pa.csv.write_csv(table, args.out)
    print(f"{args.out}: {table.num_rows} rows, {table.num_columns} columns")


if __name__ == "__main__":
    main()
