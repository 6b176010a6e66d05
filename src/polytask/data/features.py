"""Feature columns: what is learned from the training rows, and how a column is encoded with it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from ..errors import UserError
from .as_trained import as_values
from .columns import Coded, coded, is_numeric, is_text, numbers
from .dates import are_compact, date_parts, moments, read_dates
from .molecules import DESCRIPTORS, are_molecules, check_molecules, descriptors
from .number_words import leading_zeros, read_numbers
from .reading import typed
from .row_names import is_index, looks_like_id, names_things

#: Less frequent categories than these share the position of the unseen ones.
MOST_CATEGORIES = 10_000
#: Values outside of the training range are clipped to it, widened by this many times its width on both sides.
WIDENED = 1.0
#: In schemas without a range: standard deviations from the mean.
OLD_LIMIT = 1e12
#: Numbers of this size and beyond stand for "no data" in files of maps; they are not in the training range.
NO_DATA = 3.4e38
_DATES = {"date": "", "day_first": "day_first", "month_first": "month_first"}
#: Distinct words that are looked at before all of a column are.
SAMPLE = 1000
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class NumericColumn:
    """Numbers, encoded as ``(x - center) / scale`` with 0 where missing, x clipped to :attr:`limits`.

    Attributes:
        name: Name of the column.
        center: Mean over training rows.
        scale: Standard deviation over training rows.
        indicator: Whether a 0/1 input states where the value is missing (if training rows have missing ones).
        edges: Quantiles of the training rows in units of the encoded input, ascending and different in float32; only
            where an encoder asks for them.
        low: Smallest value of the training rows; None in schemas of before ranges were stored.
        high: Largest value of the training rows.
        decimal: Sign before decimals, for text that allows both.
    """

    name: str
    center: float
    scale: float
    indicator: bool
    edges: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    decimal: str = ""

    @property
    def limits(self) -> tuple[float, float]:
        """Between which values are taken as they are: the training range, widened by its width on both sides.

        Example:
            >>> NumericColumn("a", 2.0, 1.0, False, low=1.0, high=3.0).limits
            (-1.0, 5.0)
        """
        if self.low is None or self.high is None:
            return self.center - OLD_LIMIT * self.scale, self.center + OLD_LIMIT * self.scale
        more = WIDENED * (self.high - self.low)
        return self.low - more, self.high + more


@dataclass(frozen=True)
class TemporalColumn:
    """Dates and times, of which a network gets several numbers.

    Attributes:
        name: Name of the column.
        order: Of year, month and day, one of :data:`~polytask.data.dates.ORDERS`.
        parts: Numbers by the name of the part, such as ``weekday_sin``; see :func:`~polytask.data.dates.date_parts`.
    """

    name: str
    order: str
    parts: tuple[NumericColumn, ...]


@dataclass(frozen=True)
class CategoricalColumn:
    """Categories; ``categories[i]`` has index ``i + 1``, index 0 is "missing or not seen in training".

    Attributes:
        name: Name of the column.
        categories: Values in training rows, the most frequent first.
        from_numbers: Whether they were numbers (1.0 is category "1"), taken for categories because the user said so.
    """

    name: str
    categories: tuple[str, ...]
    from_numbers: bool = False

    @property
    def size(self) -> int:
        """Number of indices, with that of the unseen."""
        return len(self.categories) + 1


@dataclass(frozen=True)
class TextColumn:
    """Free text; nothing is learned."""

    name: str


@dataclass(frozen=True)
class MoleculeColumn:
    """Molecules as SMILES, of which a network gets Morgan counts and descriptors.

    Attributes:
        name: Name of the column.
        parts: Numbers by the name of the descriptor, such as ``tpsa``; see :mod:`polytask.data.molecules`.
        graph: Whether networks get its graph, too; see :mod:`polytask.data.molecule_graphs`.
    """

    name: str
    parts: tuple[NumericColumn, ...]
    graph: bool = False


@dataclass(frozen=True)
class EncodedColumn:
    """Free text, or paths of images, that a pretrained encoder reads; nothing is learned."""

    name: str


@dataclass(frozen=True)
class DroppedColumn:
    """A column without information, and why."""

    name: str
    reason: str


FeatureColumn = (
    NumericColumn | TemporalColumn | CategoricalColumn | TextColumn | MoleculeColumn | EncodedColumn | DroppedColumn
)


def fit_column(
    column: pa.ChunkedArray,
    name: str,
    train: np.ndarray,
    kind: str = "",
    *,
    where: str = "table",
    encoded: str = "",
    bins: int = 0,
    asked: bool = False,
) -> FeatureColumn:
    """Learn one column from the training rows.

    Args:
        column: All rows of the column.
        name: Its name.
        train: ``[n]`` bool, the training rows.
        kind: One of :data:`~polytask.data.roles.KINDS` where the user sets it, else empty.
        bins: Of numbers, also find the edges of this many bins with equally many training rows; 0 for none.
        where: Name of the table in messages.
        encoded: Kind that a pretrained encoder reads, ``text`` or ``image``, if there is one.
        asked: Whether the user named the column as a feature: then it stays even if it looks like a row id.

    Raises:
        UserError: If the cells are of mixed types, infinite, or do not fit the stated kind.
    """
    at = f"{where}: column {name!r}"
    images = encoded == "image" and is_text(column.type) and are_images(coded(column))
    if reason := _says_nothing(column, name, asked or bool(kind) or images):
        return DroppedColumn(name, reason)
    if kind in _DATES or (not kind and _is_moment(column.type)):
        return _fit_dates(column, name, _DATES.get(kind, "iso"), train, at, bins)
    if not kind and not is_text(column.type) and are_compact(column):
        return _fit_dates(column, name, "compact", train, at, bins)
    if kind == "numeric" or (not kind and not is_text(column.type)):
        return _fit_numbers(feature_numbers(column, at)[train], name, at, bins, _decimal(column))
    words = coded(column)
    if not kind:
        if (order := _order_of_dates(words, at)) is not None:
            return _fit_dates(column, name, order, train, at, bins)
        _check_mixed(words, at)
        kind = "text" if looks_like_text(words, train) else "categorical"
        kind = "smiles" if encoded != "text" and are_molecules(words, name) else kind
        kind = "image" if images else kind
    if kind == "image" and encoded != kind:
        raise UserError(f"{at}: images are read by a pretrained encoder of images; give encoder: hf:FOLDER")
    if kind == encoded:
        return EncodedColumn(name)
    if kind == "smiles":
        return _fit_molecules(words, name, train, at, bins)
    return TextColumn(name) if kind == "text" else _fit_categories(words, name, train, not is_text(column.type))


def _says_nothing(column: pa.ChunkedArray, name: str, asked: bool) -> str:
    """Why a column is left out; empty if it is not."""
    if not name:
        return "it has no name"
    if not asked and is_index(name):
        return "it is the index that pandas stored"
    if not (is_text(column.type) or is_numeric(column.type)):
        return f"cells of type {column.type} are not supported"
    if not asked and looks_like_id(column, name) and not _are_dates(column):
        key = shlex.quote(f"data.column_kind.{name}=text")
        return f"it looks like a row id; --set {key} (or another kind) keeps it"
    if not asked and names_things(column, name):
        key = shlex.quote(f"data.column_kind.{name}=categorical")
        return (f"it is named like an id, and identifies rows rather than describing them; --set {key} keeps it, "
                f"--group {shlex.quote(name)} keeps its rows in one split")  # fmt: skip
    return ""


def _are_dates(column: pa.ChunkedArray) -> bool:
    """Whether all cells of text are dates in one of two orders: those of a row each look like row ids."""
    if not is_text(column.type):
        return False
    words = pc.unique(column.drop_null())
    return not (read_dates(words, "day_first").strange & read_dates(words, "month_first").strange).any()


def _is_moment(kind: pa.DataType) -> bool:
    return bool(pa.types.is_temporal(kind)) and not (pa.types.is_duration(kind) or pa.types.is_interval(kind))


def _order_of_dates(words: Coded, at: str) -> str | None:
    """The order of day and month if all words are dates, None if they are not.

    Raises:
        UserError: If both orders are possible, or a few words among many dates are none.
    """
    if not len(words.words):
        return None
    some = read_dates(words.words[:SAMPLE])
    if some.strange.any() and not some.strange.all():
        _check_one_order(words, at)
    if some.strange.mean() >= 0.5:
        return None
    found = read_dates(words.words)
    dates = ~np.isnan(found.seconds)
    if not dates.any():
        return None
    if found.strange.any():
        raise UserError(f"{at}: mixes dates, such as {words.example(dates)}, and words, such as "
                        f"{words.example(found.strange)}; correct or empty such cells, count the word as missing "
                        f"(--missing {words.as_marks(found.strange)}), or state the kind of the column (categorical), "
                        "or ignore it")  # fmt: skip
    if not found.order:
        raise UserError(f"{at}: dates such as {words.example(dates)} may begin with the day or with the month; state "
                        "which: --set data.column_kind.COLUMN=day_first, or month_first")  # fmt: skip
    return found.order


def _check_one_order(words: Coded, at: str) -> None:
    """Refuse dates some of which begin with the day beyond doubt, and others with the month."""
    day, month = (read_dates(words.words, order).strange for order in ("day_first", "month_first"))
    if day.any() and month.any() and not (day & month).any():
        raise UserError(f"{at}: dates such as {words.example(month)} begin with the day, and such as "
                        f"{words.example(day)} with the month; write them in one order, or state the kind of the "
                        "column (categorical), or ignore it")  # fmt: skip


def _fit_dates(
    column: pa.ChunkedArray, name: str, order: str, train: np.ndarray, at: str, bins: int
) -> TemporalColumn | DroppedColumn:
    if not order and are_compact(column, 1):
        order = "compact"
    if not order:
        order = (is_text(column.type) and _order_of_dates(coded(column), at)) or "iso"
    seconds = moments(column, order, at)[train]
    parts: list[NumericColumn] = []
    for part, values in date_parts(torch.from_numpy(seconds)).items():
        # Equal cosines differ in the last digit: bins between them would turn that digit into another prediction.
        found = _fit_numbers(values.numpy(), part, at, min(bins, 1) if part.endswith(("_sin", "_cos")) else bins)
        if isinstance(found, NumericColumn):  # others are the same in all rows, such as the hour of dates
            parts.append(replace(found, indicator=found.indicator and not parts))
    if not parts:
        return DroppedColumn(name, "it has one value in the training rows" if len(seconds) else "no value in the rows")
    return TemporalColumn(name, order, tuple(parts))


def _fit_molecules(words: Coded, name: str, train: np.ndarray, at: str, bins: int) -> MoleculeColumn:
    check_molecules(words, at)
    parts: list[NumericColumn] = []
    for part, values in molecule_parts(words).items():
        found = _fit_numbers(values[train], part, at, bins)
        if isinstance(found, NumericColumn):
            parts.append(replace(found, indicator=found.indicator and not parts))
    return MoleculeColumn(name, tuple(parts))


def molecule_parts(words: Coded) -> dict[str, np.ndarray]:
    """``[n]`` float64 for every descriptor, NaN where there is no molecule that RDKit reads."""
    values = descriptors(words.words)
    return {name: words.gather(values[:, place], np.nan) for place, name in enumerate(DESCRIPTORS)}


def _decimal(column: pa.ChunkedArray) -> str:
    return read_numbers(coded(column).words).decimal if is_text(column.type) else ""


def _fit_numbers(values: np.ndarray, name: str, at: str, bins: int, decimal: str = "") -> NumericColumn | DroppedColumn:
    missing = np.isnan(values)
    values = values[~missing]
    if len(values) == 0:
        return DroppedColumn(name, "no value in the training rows")
    usual = values[np.abs(values) < NO_DATA]
    with np.errstate(over="ignore", invalid="ignore"):
        center, scale = (float(usual.mean()), float(usual.std())) if len(usual) else (np.inf, np.inf)
    if not np.isfinite(scale):
        raise UserError(f"{at}: its numbers are too large (up to {np.abs(values).max():g}); rescale or ignore it")
    low, high = float(usual.min()), float(usual.max())
    if scale <= 1e-12 * abs(center):  # constant but for rounding
        if not missing.any() and len(usual) == len(values):
            return DroppedColumn(name, "it has one value in the training rows")
        scale = max(abs(center), 1.0)
    edges = bin_edges((usual - center) / scale, bins) if bins else ()
    return NumericColumn(name, center, scale, bool(missing.any()), edges, low, high, decimal)


def bin_edges(values: np.ndarray, bins: int) -> tuple[float, ...]:
    """Edges of at most ``bins`` bins with equally many values; edges that fall together are one.

    Args:
        values: ``[n]``, none missing.
        bins: Number of bins.

    Example:
        >>> bin_edges(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), 2), bin_edges(np.array([0.0, 0.0, 0.0, 5.0]), 3)
        ((0.0, 2.0, 4.0), (0.0, 5.0))
        >>> bin_edges(np.array([7.0, 7.0]), 3)
        (6.0, 8.0)
    """
    quantiles = _quantiles(np.sort(values), bins).astype(np.float32)
    edges = quantiles[np.append(True, np.diff(quantiles) != 0)].tolist()
    return tuple(edges) if len(edges) > 1 else (edges[0] - 1, edges[0] + 1)


def _quantiles(ordered: np.ndarray, bins: int) -> np.ndarray:
    """What ``np.quantile`` gives for ``bins + 1`` equal steps, without its checks: tables have thousands of columns."""
    places = np.arange(bins + 1) * ((len(ordered) - 1) / bins)
    below = places.astype(np.int64)
    low, high = ordered[below], ordered[np.minimum(below + 1, len(ordered) - 1)]
    return low + (high - low) * (places - below)


def _fit_categories(words: Coded, name: str, train: np.ndarray, from_numbers: bool) -> FeatureColumn:
    counts = words.counts(train)
    missing = bool((words.index[train] < 0).any())
    if (counts > 0).sum() + missing < 2:
        return DroppedColumn(name, "it has one value in the training rows" if counts.any() else "it is empty")
    names = np.array(words.words.to_pylist(), dtype=object)
    order = np.lexsort((names, -counts))[:MOST_CATEGORIES]
    return CategoricalColumn(name, tuple(names[i] for i in order if counts[i] > 0), from_numbers)


def looks_like_text(words: Coded, train: np.ndarray) -> bool:
    """Free text rather than categories, if two hold for the training rows: more than 50 distinct values; most rows
    have a distinct value; nearly all of at least 30 rows have one; more than 30 characters on average (of the distinct
    values)."""
    counts = words.counts(train)
    used = counts > 0
    if not used.any():
        return False
    lengths = pc.utf8_length(words.words).to_numpy(zero_copy_only=False)
    distinct, filled = int(used.sum()), int(counts.sum())
    nearly_all = filled >= 30 and distinct > 0.95 * filled
    signs = (distinct > 50, distinct > filled / 2, nearly_all, float(lengths[used].mean()) > 30)
    return sum(signs) >= 2


def are_images(words: Coded) -> bool:
    """Whether every cell is the name of an image's file.

    Example:
        >>> [are_images(coded(pa.chunked_array([cells]))) for cells in (["a/1.png", "b.JPG"], ["a.png", "b"], [""])]
        [True, False, False]
    """
    return len(words.words) > 0 and all(word.lower().endswith(PICTURES) for word in words.words.to_pylist())


def _check_mixed(words: Coded, at: str) -> None:
    """A few words among many numbers are a slip ("abc", "12 kg"); a few numbers among words can be categories."""
    if not len(words.words) or read_numbers(words.words[:SAMPLE]).strange.mean() >= 0.5:
        return
    if leading_zeros(words.words):
        return
    found = read_numbers(words.words)
    numeric = ~np.isnan(found.values)
    if found.strange.any() and 2 * numeric.sum() > len(numeric):
        raise UserError(
            f"{at}: mixes numbers, such as {words.example(numeric)}, and words, such as "
            f"{words.example(found.strange)}; empty such cells, count the word as missing "
            f"(--missing {words.as_marks(found.strange)}), or state the kind of the column (categorical), or ignore it"
        )


def feature_numbers(column: pa.ChunkedArray, at: str, decimal: str = "") -> np.ndarray:
    """``[n]`` float64 values of a numeric feature, NaN where missing.

    Args:
        column: The cells; of text, blanks and marks of missing ones are removed.
        at: Names the column in messages.
        decimal: Sign before decimals, for text that allows both.

    Raises:
        UserError: If a cell is no finite number.
    """
    if is_text(column.type):
        column = number_column(column, at, decimal)
    if not is_numeric(column.type):
        raise UserError(f"{at}: expected numbers, found cells of type {column.type}")
    values = numbers(column)
    infinite = np.isinf(values)
    if infinite.any():
        raise UserError(
            f"{at}: {int(infinite.sum())} infinite values, first in row {int(infinite.argmax()) + 1}; "
            "replace them by finite numbers or empty cells, or count them as missing (`fit --missing inf`)"
        )
    return values


def number_column(column: pa.ChunkedArray, at: str, decimal: str = "") -> pa.ChunkedArray:
    """A column of text as numbers.

    Raises:
        UserError: If a cell is no number; ``at`` names the column.
    """
    found = typed(column, "numbers", decimal).column
    if not is_text(found.type):
        return found
    words = coded(column)
    if not len(words.words):
        return pa.chunked_array([pa.nulls(len(column), pa.float64())])
    dates = read_dates(words.words)
    if not dates.strange.any() and not np.isnan(dates.seconds).all():  # schemas of before dates had a kind
        return pa.chunked_array([words.gather(dates.seconds, np.nan)])
    strange = read_numbers(words.words, decimal).strange
    raise UserError(f"{at}: expected numbers, found {words.example(strange)}; correct or empty such cells, or count "
                    f"the word as missing (`fit --missing {words.as_marks(strange)}`)")  # fmt: skip


def encode_numbers(values: Sequence[np.ndarray], columns: Sequence[NumericColumn]) -> np.ndarray:
    """``[n, width]`` float32: all columns clipped and standardised, then the indicators of missing values."""
    indicators = [value for value, column in zip(values, columns, strict=True) if column.indicator]
    matrix = np.empty((len(values[0]), len(columns) + len(indicators)), np.float32)
    limit = np.finfo(np.float32).max
    for j, (value, column) in enumerate(zip(values, columns, strict=True)):
        standard = (np.clip(value, *column.limits) - column.center) / column.scale
        matrix[:, j] = np.nan_to_num(np.clip(standard, -limit, limit), nan=0.0)
    for j, value in enumerate(indicators, len(columns)):
        matrix[:, j] = np.isnan(value)
    return matrix


def encode_categories(words: Coded, column: CategoricalColumn) -> np.ndarray:
    """``[n]`` int64 indices into the column's part of the embedding table."""
    words = as_values(words, column.categories)
    known = pc.index_in(words.words, value_set=pa.array(column.categories, pa.large_string()))
    index = pc.fill_null(known, -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    return words.gather(index, 0)
