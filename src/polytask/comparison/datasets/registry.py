"""The named data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...errors import UserError, did_you_mean
from ...runs import Display
from .census import census_income
from .five_texts import five_texts
from .mulan import TARGETS, mulan
from .multimnist import multimnist
from .sklearn_sets import diabetes, digits, wine
from .tox21 import tox21

#: ``make(folder, display)``: writes a table into the folder and gives keys of ``fit``: data, targets and what else is
#: needed; downloads are shown.
DATASETS: dict[str, Callable[[Path, Display], dict[str, Any]]] = {
    "digits": digits,
    "diabetes": diabetes,
    "wine": wine,
    "census_income": census_income,
    "tox21": tox21,
    "multimnist": multimnist,
    "five_texts": five_texts,
    **{name: mulan(name) for name in TARGETS},
}


def with_dataset(values: Mapping[str, Any], folder: Path, display: Display | None = None) -> dict[str, Any]:
    """Keys of ``fit`` with ``dataset: NAME`` replaced by the data set's own keys, which other keys override.

    Raises:
        UserError: If there is no such data set, or its files are not to be had.
    """
    values = dict(values)
    name = values.pop("dataset", None)
    if name is None:
        return values
    if name not in DATASETS:
        raise UserError(f"dataset: unknown data set {name!r}; {did_you_mean(str(name), DATASETS)}")
    if "data" in values:
        raise UserError("data: has no effect beside dataset; leave one of them out")
    return DATASETS[name](folder, display or Display()) | values
