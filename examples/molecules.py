"""Molecules: a measured potency, whether it reaches a project's goal, and a computed property; split by scaffold.

The table is real and comes with RDKit: 1,017 molecules of ChEMBL document CHEMBL2321810 with their measured pIC50.
Half of the potencies are emptied here, as if only the pass or fail of a screen were known; QED is computed.
`split="scaffold"` keeps molecules with one ring system in one part: a random split would test on near-copies. What to
expect: R2 of about .5 for the potency, ROC-AUC of about .9 for the goal, R2 of .96 for QED, and a linear model on
fingerprints, shown beside each, that is as good: 485 labels are few.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from rdkit import Chem, RDConfig
from rdkit.Chem import QED

import polytask as pt

FOLDER = Path(RDConfig.RDContribDir) / "FreeWilson" / "data"


def assays():
    """One row per molecule; an empty cell was not measured."""
    table = pd.read_csv(FOLDER / "CHEMBL2321810.smi", sep=" ", names=["smiles", "Name"])
    table = table.merge(pd.read_csv(FOLDER / "CHEMBL2321810_act.csv"), on="Name").drop(columns="Name")
    table = table.rename(columns={"Act": "potency"})
    table["potent"] = np.where(table["potency"] >= 7, "yes", "no")
    table["potency"] = table["potency"].where(np.random.default_rng(0).random(len(table)) < 0.5)
    table["qed"] = table["smiles"].map(Chem.MolFromSmiles).map(QED.qed)
    return table


def main():
    table, targets = assays(), ["potency", "potent", "qed"]
    predictor = pt.TablePredictor(
        targets, features=["smiles"], split="scaffold", networks=1, steps=300, threads=1, max_baselines=1
    ).fit(table)
    linear = predictor.results["baselines"]["linear"]
    for name, task in predictor.results["tasks"].items():
        labels, metric = table[name].notna().sum(), task["metric"]
        print(f"{name}: {labels} labels, {metric} {task['test']:.3f}, linear model {linear[name]['test']:.3f}")
    return predictor.results


if __name__ == "__main__":
    main()
