"""Data that come with scikit-learn: no download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from ...display.display import Display
from ...files import replaced
from .digits import TARGETS, write_demo_table


def digits(folder: Path, display: Display) -> dict[str, Any]:
    """Half-hidden digits, eight targets; see :func:`~polytask.comparison.datasets.digits.write_demo_table`."""
    path = folder / "half-hidden-digits.csv"
    write_demo_table(path)
    return {"data": str(path), "targets": list(TARGETS)}


def diabetes(folder: Path, display: Display) -> dict[str, Any]:
    """442 patients: how the disease progressed, whether it went worse than for most, and two of the blood values."""
    from sklearn.datasets import load_diabetes

    found = load_diabetes(scaled=False)
    columns = dict(zip(found.feature_names, found.data.T, strict=True))
    progression = found.target
    targets = {
        "progression": progression,
        "fast": np.where(progression > np.median(progression), "yes", "no"),
        "cholesterol": columns.pop("s1"),
        "glucose": columns.pop("s6"),
    }
    return _written(folder / "diabetes.csv", columns | targets, list(targets))


def wine(folder: Path, display: Display) -> dict[str, Any]:
    """178 wines: which of three growers, how much alcohol, and the hue, from eleven measurements."""
    from sklearn.datasets import load_wine

    found = load_wine()
    columns = dict(zip(found.feature_names, found.data.T, strict=True))
    targets = {
        "grower": np.char.add("grower ", found.target.astype(str)),
        "alcohol": columns.pop("alcohol"),
        "hue": columns.pop("hue"),
    }
    return _written(folder / "wine.csv", columns | targets, list(targets))


def _written(path: Path, columns: dict[str, np.ndarray], targets: list[str]) -> dict[str, Any]:
    with replaced(path) as temporary:
        pa.csv.write_csv(pa.table(columns), temporary)
    return {"data": str(path), "targets": targets}
