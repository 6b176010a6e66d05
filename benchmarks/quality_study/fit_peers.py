"""Fit models of other libraries, one per target; it needs `pip install pytabkit catboost lightgbm` and not polytask.

    python fit_peers.py JOB METHOD

JOB is a folder with ``job.json`` and ``columns.npz`` of :mod:`quality_study.peers`; predictions for the test rows, by
target ``[m]`` or ``[m, classes]``, and the seconds of all fits are written to ``METHOD.npz`` there.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def model_of(method: str, numeric: bool, seed: int) -> Any:
    """An estimator with its library's defaults, or the tuned defaults of pytabkit (Holzmüller et al., NeurIPS 2024)."""
    if method == "catboost":
        import catboost

        kind = catboost.CatBoostRegressor if numeric else catboost.CatBoostClassifier
        return kind(random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False)
    if method == "lightgbm":
        import lightgbm

        kind = lightgbm.LGBMRegressor if numeric else lightgbm.LGBMClassifier
        return kind(random_state=seed, n_jobs=1, verbose=-1)
    import pytabkit

    name = {"realmlp": "RealMLP_TD", "tabm": "TabM_D"}[method]
    kind = getattr(pytabkit, f"{name}_{'Regressor' if numeric else 'Classifier'}")
    return kind(random_state=seed, n_threads=1, device="cpu")


def fitted(method: str, model: Any, x: pd.DataFrame, y: np.ndarray, categories: list[str]) -> Any:
    if not categories:
        return model.fit(x, y)
    return {
        "catboost": lambda: model.fit(x, y, cat_features=categories),
        "lightgbm": lambda: model.fit(x, y, categorical_feature=categories),
    }.get(method, lambda: model.fit(x, y, cat_col_names=categories))()


def main() -> None:
    warnings.filterwarnings("ignore")
    job, method = Path(sys.argv[1]), sys.argv[2]
    about = json.loads((job / "job.json").read_text())
    stored = np.load(job / "columns.npz")
    categories = [f"c{place}" for place in about["categories"]]
    train, test = (pd.DataFrame(stored[part], columns=[f"c{j}" for j in range(stored[part].shape[1])])
                   for part in ("train", "test"))  # fmt: skip
    for column in categories:
        train[column], test[column] = train[column].astype(int), test[column].astype(int)
    found, started = {}, time.monotonic()
    for name, target in about["targets"].items():
        rows, labels = stored[f"rows of {name}"], stored[f"labels of {name}"]
        if not target["numeric"]:
            labels = labels.astype(int)
        seen = np.unique(labels)
        if len(seen) < 2:
            found[name] = np.full(len(test), seen[0]) if target["numeric"] else np.ones((len(test), 1))
        else:
            model = fitted(method, model_of(method, target["numeric"], about["seed"]),
                           train.iloc[rows].reset_index(drop=True), labels, categories)  # fmt: skip
            found[name] = model.predict(test) if target["numeric"] else model.predict_proba(test)
    np.savez(job / f"{method}.npz", seconds=time.monotonic() - started, **found)


if __name__ == "__main__":
    main()
