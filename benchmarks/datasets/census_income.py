"""Census-Income (KDD) as one CSV file with targets and a split column.

    python benchmarks/datasets/census_income.py RAW_DIR OUT.csv

RAW_DIR holds ``census-income.test.gz`` (99,762 rows without a header) and ``columns.txt`` (the column names).
Targets, as in the multi-task literature (Ma et al., KDD 2018): ``income`` (above 50,000), ``never_married``,
``college`` (Bachelors or more), and ``weeks_worked``, a number. The columns that the first three are made of are left
out, and so is the sampling weight. ``split``: by row number i, i % 10 = 8 is validation, 9 test, the rest training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

COLLEGE = [
    "Bachelors degree(BA AB BS)",
    "Masters degree(MA MS MEng MEd MSW MBA)",
    "Prof school degree (MD DDS DVM LLB JD)",
    "Doctorate degree(PhD EdD)",
]
LEFT_OUT = ("income_50k", "marital_stat", "education", "instance_weight")


def read_raw(folder: Path) -> pa.Table:
    """The 42 raw columns, without the blanks after the commas."""
    names = (folder / "columns.txt").read_text().split()
    table = pa.csv.read_csv(
        folder / "census-income.test.gz",
        read_options=pa.csv.ReadOptions(column_names=names),
        convert_options=pa.csv.ConvertOptions(strings_can_be_null=False),
    )
    trimmed = [pc.utf8_trim_whitespace(c) if pa.types.is_string(c.type) else c for c in table.columns]
    return pa.table(trimmed, names=names)


def convert(raw: pa.Table) -> pa.Table:
    """Targets first, then the inputs, then the split."""
    education = pc.is_in(raw["education"], value_set=pa.array(COLLEGE))
    targets = {
        "income": pc.equal(raw["income_50k"], "50000+."),
        "never_married": pc.equal(raw["marital_stat"], "Never married"),
        "college": education,
    }
    position = np.arange(raw.num_rows) % 10
    split = np.select([position == 8, position == 9], ["validation", "test"], "train")
    inputs = {name: raw[name] for name in raw.column_names if name not in LEFT_OUT}
    return pa.table({name: column.cast(pa.int8()) for name, column in targets.items()} | inputs | {"split": split})


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
