"""Census-Income (KDD): one of the tables of multi-gate mixture of experts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ...display.display import Display
from ...files import replaced
from .files import DataFile

FILE = DataFile(
    "census_income/census-income.test.gz",
    "5ac4cacd3ca9f1ecb10de1a0a41e4ac68fdc419e3fec190f5c0c6cc03b2ea659",
    "https://github.com/drawbridge/keras-mmoe/raw/2718f56e/data/census-income.test.gz",
)
COLUMNS = (
    "age", "class_worker", "det_ind_code", "det_occ_code", "education", "wage_per_hour", "hs_college", "marital_stat",
    "major_ind_code", "major_occ_code", "race", "hisp_origin", "sex", "union_member", "unemp_reason",
    "full_or_part_emp", "capital_gains", "capital_losses", "stock_dividends", "tax_filer_stat", "region_prev_res",
    "state_prev_res", "det_hh_fam_stat", "det_hh_summ", "instance_weight", "mig_chg_msa", "mig_chg_reg",
    "mig_move_reg", "mig_same", "mig_prev_sunbelt", "num_emp", "fam_under_18", "country_father", "country_mother",
    "country_self", "citizenship", "own_or_self", "vet_question", "vet_benefits", "weeks_worked", "year",
    "income_50k",
)  # fmt: skip
COLLEGE = [
    "Bachelors degree(BA AB BS)",
    "Masters degree(MA MS MEng MEd MSW MBA)",
    "Prof school degree (MD DDS DVM LLB JD)",
    "Doctorate degree(PhD EdD)",
]
TARGETS = ("income", "never_married", "college", "weeks_worked")
LEFT_OUT = ("income_50k", "marital_stat", "education", "instance_weight")


def census_income(folder: Path, display: Display) -> dict[str, Any]:
    """Three binary targets and weeks worked; the published test part, cut by row number."""
    path = folder / "census-income.parquet"
    if not path.exists():
        write_parquet(convert(read_raw(FILE.path(display))), path)
    return {"data": str(path), "targets": list(TARGETS), "split": "split"}


def read_raw(path: Path) -> pa.Table:
    """The 42 raw columns of ``census-income.test.gz``, without the blanks after the commas."""
    table = pa.csv.read_csv(
        path,
        read_options=pa.csv.ReadOptions(column_names=list(COLUMNS)),
        convert_options=pa.csv.ConvertOptions(strings_can_be_null=False),
    )
    trimmed = [pc.utf8_trim_whitespace(c) if pa.types.is_string(c.type) else c for c in table.columns]
    return pa.table(trimmed, names=list(COLUMNS))


def convert(raw: pa.Table) -> pa.Table:
    """Targets first, then the inputs, then the split: by row number i, i % 10 = 8 is validation, 9 test."""
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


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a whole Parquet file or none."""
    import pyarrow.parquet

    with replaced(path) as temporary:
        pyarrow.parquet.write_table(table, temporary)
