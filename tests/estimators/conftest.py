import numpy as np
import pandas as pd
import pytest

from polytask.estimators import TablePredictor


@pytest.fixture(scope="session")
def frame():
    """Targets of several types, a feature that two targets need, one that none needs, and a copy."""
    rng = np.random.default_rng(0)
    n = 400
    x = rng.normal(size=(n, 4))
    return pd.DataFrame(
        {
            "a": x[:, 0],
            "b": x[:, 1],
            "b_again": x[:, 1] + 0.01 * rng.normal(size=n),
            "useless": x[:, 3],
            "colour": pd.Categorical(np.where(x[:, 2] > 0, "red", "blue")),
            "sold": x[:, 0] > 0,
            "grade": np.digitize(x[:, 1], [-0.5, 0.5]),
            "taste": pd.Categorical(np.where(x[:, 2] > 0, "sweet", "sour")),
            "price": 100 + 10 * (x[:, 0] + x[:, 1]),
        },
        index=np.arange(n)[::-1] * 10,
    )


SETTINGS = {
    "kind": {"grade": "multiclass"},
    "networks": 1,
    "steps": 150,
    "evaluate_every": 10,
    "baselines": False,
    "learning_rate": 3e-3,
}


@pytest.fixture(scope="session")
def predictor(frame):
    return TablePredictor(["sold", "grade", "taste", "price"], **SETTINGS).fit(frame)
