"""Options that several commands have, and how their texts become configuration keys."""

from __future__ import annotations

import csv
import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UserError
from ..task.names import TABLE_KINDS

if TYPE_CHECKING:
    from ..config import Config

Data = Annotated[Path, typer.Argument(help="table (.csv, .csv.gz, .parquet)", show_default=False)]
DataOrConfig = Annotated[
    Path | None, typer.Argument(help="table (.csv, .csv.gz, .parquet) or configuration (.yaml)", show_default=False)
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        help='columns to predict: a,b or "with, comma",b (quoted as in CSV); patterns such as tox_*; ALL for every '
        "column that is no feature (--features); repeatable",
        show_default=False,
    ),
]
Missing = Annotated[str | None, typer.Option(help='words that mean no value beside NA, null, "?", ..., such as -999')]
Rare = Annotated[str | None, typer.Option(help="classes with a single row: drop, merge or error [default: drop]")]
Kind = Annotated[list[str] | None, typer.Option(help=f"TARGET={'|'.join(TABLE_KINDS)}; may be repeated")]
Weight = Annotated[list[str] | None, typer.Option(help="TARGET=NUMBER, weight of its loss; may be repeated")]
Metric = Annotated[list[str] | None, typer.Option(help="TARGET=METRIC; may be repeated")]
Features = Annotated[str | None, typer.Option(help="columns to use, separated by commas [default: all others]")]
Ignore = Annotated[str | None, typer.Option(help="columns not to use, separated by commas")]
Id = Annotated[str | None, typer.Option("--id", help="column of row ids")]
Split = Annotated[
    str | None, typer.Option(help="column with train, validation, test; or shares [default: 0.7,0.15,0.15]")
]
Group = Annotated[str | None, typer.Option(help="column of groups: none has rows in two parts of the split")]
Time = Annotated[
    str | None, typer.Option(help="column of dates or numbers: train on the past, then validation, then test")
]
Validation = Annotated[str | None, typer.Option(help="table with the validation rows", show_default=False)]
Test = Annotated[str | None, typer.Option(help="table with the test rows", show_default=False)]
Seed = Annotated[int | None, typer.Option(help="seed of everything [default: 0]")]
Steps = Annotated[int | None, typer.Option(help="most steps of every training")]
Epochs = Annotated[float | None, typer.Option(help="the same in passes over the data")]
BatchSize = Annotated[int | None, typer.Option(help="rows per step")]
LearningRate = Annotated[float | None, typer.Option(help="step size [default: 0.001]")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda [default: auto]")]
Devices = Annotated[int | None, typer.Option(help="processes that train together, one per GPU [default: 1]")]
Nodes = Annotated[int | None, typer.Option(help="machines on which this command is started [default: 1]")]
Strategy = Annotated[str | None, typer.Option(help="how processes share: ddp or fsdp [default: ddp]")]
Set = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, any key of the configuration; repeatable")]
Trust = Annotated[bool, typer.Option("--trust", help="run the code that the run names, if it has an own encoder")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress, no tables")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON on standard output")]


def names(text: str | None, option: str) -> list[str] | None:
    """Column names from a text with commas, quoted as in CSV where a name has one itself.

    Example:
        >>> names("a, b", "--targets"), names('"a, of b",c', "--targets")
        (['a', 'b'], ['a, of b', 'c'])
    """
    if text is None:
        return None
    found = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [""])]
    if not all(found):
        raise UserError(f"{option} {text!r}: expected names separated by commas, found an empty one")
    return found


def pairs(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    """``NAME=VALUE`` texts as a dictionary; names may hold ``=``.

    Example:
        >>> pairs(["click=binary"], "--kind")
        {'click': 'binary'}
    """
    found = {}
    for text in texts or ():
        name, equals, value = text.rpartition("=")
        if not equals or not name or not value:
            raise UserError(f"{option} {text!r}: expected NAME=VALUE")
        found[name] = value
    return found


def shares(text: str | None) -> str | list[float] | None:
    """Three shares, or the name of a column.

    Example:
        >>> shares("0.8,0.1,0.1"), shares("part")
        ([0.8, 0.1, 0.1], 'part')
    """
    if text is None or "," not in text:
        return text
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return text


def check_file_to_write(out: Path) -> None:
    """Find out before the work whether a file can be written.

    Raises:
        UserError: If there is a folder of that name, or what should be its folder is a file.
    """
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder; give the name of a file")
    if out.parent.exists() and not out.parent.is_dir():
        raise UserError(f"--out {out}: {out.parent} is not a folder; choose another place")


def resolve(data: Path | None, options: dict[str, Any], overrides: Sequence[str] | None) -> Config:
    """The configuration from a table or a YAML file, then options, then ``--set``.

    Raises:
        UserError: All mistakes at once.
    """
    from ..config import make_config
    from ..config_file import apply_overrides, read_config

    values: dict[str, Any] = {}
    where = "options"
    if data is not None and data.suffix in (".yaml", ".yml"):
        values, where = read_config(data), data.name
    elif data is not None:
        values["data"] = str(data)
    values |= {key: value for key, value in options.items() if value is not None and value != {}}
    apply_overrides(values, overrides or ())
    expand_targets(values)
    return make_config(values, where)


def expand_targets(values: dict[str, Any]) -> None:
    """Put the columns of the table in the place of patterns, ``ALL`` and names that a comma has taken apart, in place.

    Raises:
        UserError: If a pattern fits no column, or ``ALL`` is given without features.
    """
    given, data = values.get("targets"), values.get("data")
    if isinstance(given, str):
        given = values["targets"] = [given]
    if not isinstance(data, str) or not isinstance(given, list | tuple) or not Path(data).is_file():
        return
    from ..data.table import column_names

    try:
        known = column_names(data)
    except UserError:
        return  # reading the table says what is wrong with it
    found: list[Any] = []
    for name in _with_commas(list(given), known):
        found += [name] if name in known or not isinstance(name, str) else _matching(name, known, values)
    values["targets"] = list(dict.fromkeys(found)) if len(found) != len(given) else found


def _with_commas(given: list[Any], known: Sequence[str]) -> list[Any]:
    """Names next to each other that are a column only together: ``a`` and ``b`` where the column is ``a,b``."""
    found, at = [], 0
    while at < len(given):
        rest = [str(name) for name in given[at:]]
        longest = next((n for n in range(len(rest), 1, -1) for text in (",", ", ") if text.join(rest[:n]) in known), 1)
        joined = next((t.join(rest[:longest]) for t in (",", ", ") if t.join(rest[:longest]) in known), given[at])
        found.append(joined if longest > 1 else given[at])
        at += longest
    return found


def _matching(pattern: str, known: Sequence[str], values: dict[str, Any]) -> list[str]:
    """The columns that a pattern or ``ALL`` stands for; any other name is kept, so that it is reported."""
    split = values.get("split")
    features = values.get("features")
    if pattern == "ALL":
        if not features:
            raise UserError(
                "targets: ALL is every column that is no feature; give the features, such as --features a,b"
            )
        taken = {*features, *(values.get("ignore") or ()), values.get("id"), split if isinstance(split, str) else None}
        weight = values.get("sample_weight")
        taken |= {weight} if isinstance(weight, str) else set((weight or {}).values())
        return [name for name in known if name and name not in taken]
    if not any(sign in pattern for sign in "*?["):
        return [pattern]
    found = [name for name in known if fnmatch.fnmatchcase(name, pattern)]
    if not found:
        shown = ", ".join(list(known)[:20]) + (", ..." if len(known) > 20 else "")
        raise UserError(f"targets: no column fits the pattern {pattern!r}; known: {shown}")
    return found


def _all_names(texts: Sequence[str] | None, option: str) -> list[str] | None:
    """The names of an option that may be repeated."""
    return None if not texts else [name for text in texts for name in names(text, option) or []]


def data_options(
    targets: Sequence[str] | None,
    kind: Sequence[str] | None,
    weight: Sequence[str] | None,
    metric: Sequence[str] | None,
    features: str | None,
    ignore: str | None,
    id: str | None,
    split: str | None,
    missing: str | None = None,
    rare: str | None = None,
    **parts: str | None,
) -> dict[str, Any]:
    """Configuration keys that say what the columns are, and ``parts`` of the split."""
    return {
        "targets": _all_names(targets, "--targets"),
        "kind": pairs(kind, "--kind"),
        "weights": pairs(weight, "--weight"),
        "metric": pairs(metric, "--metric"),
        "features": names(features, "--features"),
        "ignore": names(ignore, "--ignore"),
        "id": id,
        "split": shares(split),
        "missing": names(missing, "--missing"),
        "rare": rare,
        **parts,
    }
