"""``results.json`` of a finished run, read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import UserError
from .values import read_object


class _Stored(BaseModel):
    """What is needed to show results; anything else may be there, too."""

    model_config = ConfigDict(strict=True)


class _Task(_Stored):
    metric: str
    direction: Literal["max", "min"]
    test: float | None
    network: int
    networks: list[int] = []
    converged_epoch: float | None
    kept: float | None
    weight: float | None = None


class _Level(_Stored):
    test: float | None


class _Before(_Level):
    held: bool
    agreement: float | None
    change: float | None


class _Baselines(_Stored):
    before: dict[str, _Before] = {}
    single_task: dict[str, _Level] = {}
    all_in_one: dict[str, _Level] = {}
    linear: dict[str, _Level] = {}


class _Totals(_Stored):
    networks: int
    parameters: int
    seconds: float
    trivial: dict[str, float | None] = {}


class _Results(_Stored):
    tasks: dict[str, _Task]
    baselines: _Baselines
    totals: _Totals


def stored_results(path: Path) -> dict[str, Any]:
    """The content of ``results.json``.

    Raises:
        UserError: If the file is missing, or is not what a run has written.
    """
    content = read_object(path)
    remedy = "restore the file, or make the run again with another --out"
    try:
        found = _Results.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; {remedy}") from None
    unknown = [name for name in found.baselines.before if name not in found.tasks]
    if unknown:
        raise UserError(f"{path}: baselines.before: {unknown[0]!r} is no task of the run; {remedy}")
    return content
