"""A purchase funnel: which customers of a shop buy again, how often, and for how much?

The table is real: 23,570 customers who first bought at CDNOW, an online music shop, in early 1997. It comes with the
package lifetimes (`pip install 'polytask[examples]'`). Features are what they did until September 1997, targets what
they did later. Only who buys again has a number of orders and a spend: an empty cell means "unknown", not 0.

What to expect on test rows: buys again, ROC-AUC .75; orders, Poisson deviance 1.47 (a constant 2.24); spend per order,
R2 .25. A linear model is as good: eight summaries hold little that it misses. What would help is more columns.
"""

from importlib.util import find_spec
from pathlib import Path

import pandas as pd

import polytask as pt

CUT = pd.Timestamp("1997-10-01")
TARGETS = ["buys again", "orders", "spend per order"]


def purchases():
    """One row per purchase; the package that holds the file is old and need not be imported."""
    file = Path(find_spec("lifetimes").submodule_search_locations[0]) / "datasets" / "CDNOW_master.txt"
    columns = ["customer", "date", "discs", "dollars"]
    return pd.read_csv(file, sep=r"\s+", header=0, names=columns, parse_dates=["date"], date_format="%Y%m%d")


def customers(log):
    """One row per customer: what was bought before the cut, and after it."""
    known, later = (log[part].groupby("customer") for part in (log["date"] < CUT, log["date"] >= CUT))
    table = pd.DataFrame({
        "first order": known["date"].min(),
        "days since last order": (CUT - known["date"].max()).dt.days,
        "days between orders": (known["date"].max() - known["date"].min()).dt.days / (known["date"].nunique() - 1),
        "orders so far": known["date"].nunique(),
        "discs so far": known["discs"].sum(),
        "dollars so far": known["dollars"].sum(),
        "dollars of first order": known["dollars"].first(),
        "dollars of last order": known["dollars"].last(),
        "orders": later["date"].nunique(),
        "spend per order": later["dollars"].sum() / later["date"].nunique(),
    })  # fmt: skip
    return table.assign(**{TARGETS[0]: table["orders"].notna()}).reset_index(drop=True)


def main():
    table = customers(purchases())
    predictor = pt.TablePredictor(TARGETS, kind={"orders": "count"}, networks=1, steps=600, max_baselines=1).fit(table)
    linear = predictor.results["baselines"]["linear"]
    for name, task in predictor.results["tasks"].items():
        figures = f"{task['test']:.3f}, linear {linear[name]['test']:.3f}, constant {task['trivial']:.3f}"
        print(f"{name}: {task['metric']} {figures}")
    print(predictor.predict(table.drop(columns=TARGETS).head(3)).to_string())
    return predictor.results


if __name__ == "__main__":
    main()
