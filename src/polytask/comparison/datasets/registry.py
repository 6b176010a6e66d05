"""The named data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...display.display import Display
from ...errors import UserError, did_you_mean
from .census import census_income
from .five_texts import five_texts
from .mulan import TARGETS, mulan
from .sklearn_sets import diabetes, digits, wine
from .tmc2007 import tmc2007
from .tox21 import tox21

#: ``make(folder, display)``: writes a table into the folder and gives keys of ``fit``: data, targets and what else is
#: needed; downloads are shown.
DATASETS: dict[str, Callable[..., dict[str, Any]]] = {
    "digits": digits,
    "diabetes": diabetes,
    "wine": wine,
    "census_income": census_income,
    "tox21": tox21,
    "five_texts": five_texts,
    "tmc2007": tmc2007,
    **{name: mulan(name) for name in TARGETS},
}

#: Data sets that a script of the repository makes.
BY_SCRIPT = ("celeba", "multimnist", "taskonomy")


def with_dataset(values: Mapping[str, Any], folder: Path, display: Display | None = None) -> dict[str, Any]:
    """Keys of ``fit`` with ``dataset`` replaced by the data set's own keys, which other keys override.

    Args:
        values: ``dataset`` is a name, or ``{name: NAME}``.
        folder: Where tables are made.
        display: Where downloads are shown.

    Raises:
        UserError: If there is no such data set, or its files are not to be had.
    """
    values = dict(values)
    spec = values.pop("dataset", None)
    if spec is None:
        return values
    name = spec.get("name") if isinstance(spec, Mapping) else spec
    if name in BY_SCRIPT:
        raise UserError(f"dataset: {name} is made by benchmarks/datasets/{name}.py of the repository; then give `data`")
    if name not in DATASETS:
        raise UserError(f"dataset: unknown data set {name!r}; {did_you_mean(str(name), DATASETS)}")
    if "data" in values:
        raise UserError("data: has no effect beside dataset; leave one of them out")
    if isinstance(spec, Mapping) and len(spec) > 1:
        raise UserError(f"dataset: {name} has no options, found {', '.join(key for key in spec if key != 'name')}")
    return DATASETS[name](folder, display or Display()) | values
