"""The named data sets."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...display.display import Display
from ...errors import UserError, did_you_mean, raise_all
from .celeba import celeba
from .census import census_income
from .five_texts import five_texts
from .mulan import TARGETS, mulan
from .multimnist import multimnist
from .sklearn_sets import diabetes, digits, wine
from .taskonomy import taskonomy
from .tmc2007 import tmc2007
from .tox21 import tox21

#: ``make(folder, display, its options)``: writes a table, or arrays, into the folder and gives keys of ``fit``: data,
#: targets and what else is needed; downloads are shown.
DATASETS: dict[str, Callable[..., dict[str, Any]]] = {
    "digits": digits,
    "diabetes": diabetes,
    "wine": wine,
    "census_income": census_income,
    "tox21": tox21,
    "multimnist": multimnist,
    "five_texts": five_texts,
    "tmc2007": tmc2007,
    "celeba": celeba,
    "taskonomy": taskonomy,
    **{name: mulan(name) for name in TARGETS},
}


def with_dataset(values: Mapping[str, Any], folder: Path, display: Display | None = None) -> dict[str, Any]:
    """Keys of ``fit`` with ``dataset`` replaced by the data set's own keys, which other keys override.

    Args:
        values: ``dataset`` is a name, or ``{name: NAME, its options}``.
        folder: Where tables are made.
        display: Where downloads are shown.

    Raises:
        UserError: If there is no such data set, it has no such option, or its files are not to be had.
    """
    values = dict(values)
    spec = values.pop("dataset", None)
    if spec is None:
        return values
    options = dict(spec) if isinstance(spec, Mapping) else {"name": spec}
    name = options.pop("name", None)
    if name not in DATASETS:
        raise UserError(f"dataset: unknown data set {name!r}; {did_you_mean(str(name), DATASETS)}")
    if "data" in values:
        raise UserError("data: has no effect beside dataset; leave one of them out")
    known = list(inspect.signature(DATASETS[name]).parameters)[2:]
    raise_all([f"dataset: {name} has no option {key!r}; " + (did_you_mean(key, known) if known else "it has none")
               for key in options if key not in known])  # fmt: skip
    return DATASETS[name](folder, display or Display(), **options) | values
