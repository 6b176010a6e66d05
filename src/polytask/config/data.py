"""Which rows there are and what the columns are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ..errors import did_you_mean
from ..ranges import Range
from ..task.names import TABLE_KINDS, TableKind
from . import texts
from .key import TRAIN, Decides, Key, Option
from .section import Section
from .split import DRAWN, split_problems

if TYPE_CHECKING:
    from .config import Config

ColumnKind = Literal["numeric", "categorical", "text", "image", "smiles", "date", "day_first", "month_first"]


class SourceConfig(Section):
    """One of several data sets."""

    table: Annotated[str, Key("Table (.csv, .parquet, ...).", decides=Decides.PLACE)]
    targets: Annotated[tuple[str, ...], Key("Targets that it has labels for; all of its columns by default.")] = ()


class DataKeys(Section):
    """Data."""

    title: ClassVar[str] = "Data"
    section: ClassVar[str] = "data"

    data: Annotated[str | tuple[SourceConfig, ...], Key(
        "Table (.csv, .parquet, ...); or several data sets, each with its `table` and its `targets`.",
        decides=Decides.PLACE, inside="table",
    )]  # fmt: skip
    targets: Annotated[tuple[str, ...], Field(min_length=1), Key(
        "Columns to predict.",
        Option(list[str], "NAMES",
               'columns to predict: a,b or "with, comma",b (quoted as in CSV); patterns such as tox_*; ALL for every '
               "column that is no feature (--features); repeatable", texts.all_names, commands=TRAIN),
    )]  # fmt: skip
    kind: Annotated[dict[str, TableKind], Key(
        f"Kind of a target: {', '.join(TABLE_KINDS)}.",
        Option(list[str], "TARGET=KIND", f"kind of a target: {', '.join(TABLE_KINDS)}; repeatable", texts.pairs,
               commands=TRAIN),
        of_tables=True,
    )] = {}  # noqa: RUF012  # fmt: skip
    losses: Annotated[dict[str, dict[str, float]], Key(
        "Losses of a target with their weights, such as {price: {squared: 1, absolute: 0.5}}.",
    )] = {}  # noqa: RUF012  # fmt: skip
    weights: Annotated[dict[str, float], Key(
        "Weight of a target's loss.",
        Option(list[str], "TARGET=NUMBER", "weight of a target's loss; repeatable", texts.pairs, "--weight", TRAIN),
    )] = {}  # noqa: RUF012  # fmt: skip
    features: Annotated[tuple[str, ...] | None, Key(
        "Feature columns. Default: all columns that are not targets.",
        Option(str, "NAMES", "feature columns, separated by commas [default: all others]", texts.names, commands=TRAIN),
        of_tables=True, of_first_run=True,
    )] = None  # fmt: skip
    column_kind: Annotated[dict[str, ColumnKind], Key(
        "Kind of a feature; day_first and month_first are dates whose text begins so, smiles are molecules.",
        of_tables=True, of_first_run=True,
    )] = {}  # noqa: RUF012  # fmt: skip
    missing: Annotated[tuple[str, ...], Key(
        "Words that mean no value beside the documented ones; a leading = replaces them.",
        Option(str, "WORDS", 'additional marks of missing values, besides NA, null, "?", ...: -999', texts.names,
               commands=TRAIN),
    )] = ()  # fmt: skip
    rare: Annotated[Literal["drop", "merge", "error"], Key(
        "Classes with a single row: drop treats their labels as missing, merge joins them into one class, error stops.",
        Option(str, "WORD", "classes with a single row: drop, merge or error", commands=TRAIN),
    )] = "drop"  # fmt: skip
    ignore: Annotated[tuple[str, ...], Key(
        "Columns to ignore.",
        Option(str, "NAMES", "columns to ignore, separated by commas", texts.names, commands=TRAIN),
        of_tables=True, of_first_run=True,
    )] = ()  # fmt: skip
    id: Annotated[str | None, Key(
        "Column of row ids.", Option(str, "NAME", commands=TRAIN), of_tables=True,
    )] = None  # fmt: skip
    sample_weight: Annotated[str | dict[str, str] | None, Key(
        "Column with the weight of every row in the mean losses of training, or {target: column}.", of_tables=True,
    )] = None  # fmt: skip
    stream: Annotated[Literal["auto"] | bool, Key(
        "Leave the features in a Parquet file and read them while training; auto: if it is large.",
        of_tables=True, of_first_run=True,
    )] = "auto"  # fmt: skip
    split: Annotated[str | tuple[float, float, float], Key(
        "A column with train, validation and test, or three shares; scaffold: molecules of one scaffold in one part.",
        Option(str, "NAME", "column with train, validation and test; fractions [default: 0.7,0.15,0.15]; or "
               "scaffold, for molecules", texts.shares, commands=TRAIN),
        of_tables=True,
    )] = DRAWN  # fmt: skip
    group: Annotated[str | None, Key(
        "Column of groups: no group has rows in two parts of the split.",
        Option(str, "NAME", "column of groups, each kept within one split", commands=TRAIN),
        of_tables=True,
    )] = None  # fmt: skip
    time: Annotated[str | None, Key(
        "Column of dates or numbers: training rows come before validation rows, and these before test rows.",
        Option(str, "NAME", "column of dates or numbers: train on the past, validate and test on what follows",
               commands=TRAIN),
        of_tables=True,
    )] = None  # fmt: skip
    validation: Annotated[str | None, Key(
        "Table with the validation rows.", Option(str, "FILE", commands=TRAIN), decides=Decides.PLACE, of_tables=True,
    )] = None  # fmt: skip
    test: Annotated[str | None, Key(
        "Table with the test rows.", Option(str, "FILE", commands=TRAIN), decides=Decides.PLACE, of_tables=True,
    )] = None  # fmt: skip
    folds: Annotated[int | None, Range(2, 100, whole=True), Key(
        "Number of cross-validation folds: every row is tested once; the served networks are trained on all rows.",
        Option(int, "N", "cross-validation folds; the served networks are trained on all rows"), of_tables=True,
    )] = None  # fmt: skip
    fold: Annotated[int | None, Range(0, 99, whole=True), Key(
        "Run only this fold of the cross-validation, counted from 0.", of_tables=True,
    )] = None  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _targets_of_sources(cls, values: Any) -> Any:
        """Several data sets may say all targets by themselves."""
        if isinstance(values, dict) and not values.get("targets") and isinstance(values.get("data"), list | tuple):
            lists = [source.get("targets") for source in values["data"] if isinstance(source, dict)]
            named = [
                name for names in lists if isinstance(names, list | tuple) for name in names if isinstance(name, str)
            ]
            return {**values, "targets": list(dict.fromkeys(named))}
        return values


def data_problems(config: Config) -> Iterator[str]:
    """Names that are no targets, and shares that do not sum to 1."""
    for key in ("kind", "metric", "losses", "weights", "sample_weight"):
        named = getattr(config, key)
        for target in named if isinstance(named, dict) else ():
            if target not in config.targets:
                yield f"{key}: {target!r} is not a target; {did_you_mean(target, config.targets)}"
    if isinstance(config.split, tuple) and (min(config.split) <= 0 or abs(sum(config.split) - 1) > 1e-6):
        yield f"split: expected three shares above 0 that sum to 1, found {list(config.split)}"
    yield from split_problems(config)
    if len(config.sources) == 1 and (config.sampling, config.sampling_temperature) != ("proportional", 2.0):
        yield "sampling: has an effect only with several data sets, found one"
