"""A task added to a trained network on real data: what it reaches, and what becomes of the others.

    POLYTASK_DATA=DATA python benchmarks/adding_tasks.py --set tox21 --seeds 0 1 2 --out FOLDER

The rows of a table are dealt out in two halves. A network learns all targets but one from the first half; the last
target is then added on the second half, whose rows the network has not seen, in several ways. Labels of the old targets
in the second half are used for nothing but to measure. Runs that are there are not repeated.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from polytask.comparison.datasets.census import FILE as CENSUS
from polytask.comparison.datasets.census import convert, read_raw
from polytask.comparison.datasets.tox21 import FILE as TOX21
from polytask.comparison.datasets.tox21 import TARGETS as ASSAYS
from polytask.config import make_config
from polytask.data import read_table
from polytask.display.display import Display
from polytask.runs import fit_run

SETS: dict[str, dict[str, Any]] = {
    "tox21": {"old": ASSAYS[:-1], "new": ASSAYS[-1], "column_kind": {"smiles": "text"}},
    "census_income": {"old": ("income", "never_married"), "new": "college"},
}
#: How the new target is added.
WAYS: dict[str, dict[str, Any]] = {
    "held": {},
    "frozen encoder": {"freeze": "encoder"},
    "held, shared part at a tenth of the rate": {"parts": {"shared": {"learning_rate": 1e-4}}},
    "hardly held (weight 0.001)": {"convergence": {"kd_weight": 0.001}},
}


def halves(name: str, folder: Path) -> list[Path]:
    """The two tables; the first lacks the new target."""
    paths = [folder / f"{name}-{half}.parquet" for half in ("first", "second")]
    if not all(path.exists() for path in paths):
        table = read_table(TOX21.path(Display())) if name == "tox21" else convert(read_raw(CENSUS.path(Display())))
        table = table.drop_columns(["split"]) if "split" in table.column_names else table
        half = np.random.default_rng(0).permutation(table.num_rows) % 2
        for number, path in enumerate(paths):
            part = table.filter(pa.array(half == number))
            pa.parquet.write_table(part.drop_columns([SETS[name]["new"]]) if number == 0 else part, path)
    return paths


def run(config: dict[str, Any], out: Path) -> dict[str, Any]:
    """Results of a run, which is made or continued if it has to be."""
    return fit_run(make_config(config), out, resume=out.exists())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=list(SETS), required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--out", type=Path, default=Path("adding-tasks"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    setup, (first, second) = SETS[arguments.set], halves(arguments.set, arguments.out)
    new, rows = setup["new"], []
    for seed in arguments.seeds:
        common = {"steps": arguments.steps, "seed": seed, "threads": 1}
        base = arguments.out / f"{arguments.set}-{seed}"
        kinds = {"kind": dict.fromkeys(setup["old"], "binary"), "column_kind": setup.get("column_kind", {})}
        run({"data": str(first), "targets": setup["old"], "networks": 1, "baselines": False, **kinds, **common}, base)
        for place, (way, options) in enumerate(WAYS.items()):
            added = {"data": str(second), "from": str(base), "targets": [new], "kind": {new: "binary"},
                     "baselines": place == 0, **options, **common}  # fmt: skip
            found = run(added, arguments.out / f"{arguments.set}-{seed}-{place}")
            before = found["baselines"]["before"]
            old = [(before[name]["test"], found["tasks"][name]["test"]) for name in before]
            row = {
                "seed": seed,
                "way": way,
                "new": found["tasks"][new]["test"],
                "alone": found["baselines"].get("single_task", {}).get(new, {}).get("test"),
                "old before": fmean(b for b, _ in old),
                "old after": fmean(a for _, a in old),
                "worst change": min(a - b for b, a in old),
                "agreement": fmean(entry["agreement"] for entry in before.values()),
                "mean change": fmean(entry["change"] for entry in before.values()),
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    print(f"\n| {arguments.set}: way | {new} | alone | old before | old after | worst change | agree | mean change |")
    print("|---|" + "---:|" * 7)
    for way in WAYS:
        chosen = [row for row in rows if row["way"] == way]
        cells = [fmean(found) if (found := [row[key] for row in chosen if row[key] is not None]) else None
                 for key in list(rows[0])[2:]]  # fmt: skip
        print(f"| {way} | " + " | ".join("-" if cell is None else f"{cell:.4f}" for cell in cells) + " |")


if __name__ == "__main__":
    main()
