"""A purchase funnel: which customers of a shop buy again, how often, and for how much?

The table is real: the purchases at CDNOW, an online music shop, of the 23,570 customers who first bought there in early
1997. It comes with the package lifetimes (`pip install 'polytask[examples]'`). Features are what a customer did until
September 1997, targets what the customer did from October to June. Only customers who buy again have a number of orders
and a spend per order: an empty cell means "unknown", not 0.

What to expect on customers outside of training: buys again, ROC-AUC .75; orders, Poisson deviance 1.47 (a constant
2.24); spend per order, R2 .25. A linear model, shown beside each target, is as good: eight summaries of the past hold
little that it misses. What a network would need is more columns, such as what was bought.
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
    log = pd.read_csv(file, sep=r"\s+", header=0, names=["customer", "date", "discs", "dollars"], dtype={"date": str})
    return log.assign(date=pd.to_datetime(log["date"]))


def customers(log):
    """One row per customer: what was bought before the cut, and after it."""
    known = log[log["date"] < CUT].groupby("customer")
    later = log[log["date"] >= CUT].groupby("customer")
    table = pd.DataFrame({
        "first order": known["date"].min(),
        "days since last order": (CUT - known["date"].max()).dt.days,
        "days between orders": (known["date"].max() - known["date"].min()).dt.days / (known["date"].nunique() - 1),
        "orders so far": known["date"].nunique(),
        "discs so far": known["discs"].sum(),
        "dollars so far": known["dollars"].sum(),
        "dollars of first order": known["dollars"].first(),
        "dollars of last order": known["dollars"].last(),
    })  # fmt: skip
    table["buys again"] = table.index.isin(later.groups)
    table["orders"] = later["date"].nunique()
    table["spend per order"] = later["dollars"].sum() / later["date"].nunique()
    return table.reset_index(drop=True)


def main():
    table = customers(purchases())
    options = {"kind": {"orders": "count"}, "networks": 1, "steps": 600, "max_baselines": 1, "threads": 1}
    predictor = pt.TablePredictor(TARGETS, **options).fit(table)
    linear = predictor.results["baselines"]["linear"]
    for name, task in predictor.results["tasks"].items():
        test, simple, constant = (f"{value:.3f}" for value in (task["test"], linear[name]["test"], task["trivial"]))
        print(
            f"{name}: {table[name].notna().sum()} labels, {task['metric']} {test}, linear {simple}, constant {constant}"
        )
    print(predictor.predict(table.drop(columns=TARGETS).head(3)).to_string())
    return predictor.results


if __name__ == "__main__":
    main()
