"""Feature columns: what is learnt from the training rows, and how a column is encoded with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import UserError
from .columns import Coded, coded, is_numeric, is_text, numbers, parse

#: Less frequent categories than these share the place of the unseen ones.
MOST_CATEGORIES = 10_000
KINDS = ("numeric", "categorical", "text", "image")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class NumericColumn:
    """Numbers, encoded as ``(x - center) / scale`` with 0 where missing.

    Attributes:
        name: Name of the column.
        center: Mean over training rows.
        scale: Standard deviation over training rows.
        indicator: Whether a 0/1 input says where the value is missing (if training rows have missing ones).
        edges: Quantiles of the training rows in units of the encoded input, ascending and different in float32; only
            where an encoder asks for them.
    """

    name: str
    center: float
    scale: float
    indicator: bool
    edges: tuple[float, ...] = ()


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
    """Free text; nothing is learnt."""

    name: str


@dataclass(frozen=True)
class EncodedColumn:
    """Free text, or paths of pictures, that a pretrained encoder reads; nothing is learnt."""

    name: str


@dataclass(frozen=True)
class DroppedColumn:
    """A column that says nothing, and why."""

    name: str
    reason: str


FeatureColumn = NumericColumn | CategoricalColumn | TextColumn | EncodedColumn | DroppedColumn


def fit_column(
    column: pa.ChunkedArray,
    name: str,
    train: np.ndarray,
    kind: str = "",
    *,
    where: str = "table",
    encoded: str = "",
    bins: int = 0,
) -> FeatureColumn:
    """Learn one column from the training rows.

    Args:
        column: All rows of the column.
        name: Its name.
        train: ``[n]`` bool, the training rows.
        kind: ``numeric``, ``categorical``, ``text`` or ``image`` where the user says so, else empty.
        bins: Of numbers, also find the edges of so many bins with equally many training rows; 0 for none.
        where: Name of the table in messages.
        encoded: Kind that a pretrained encoder reads, ``text`` or ``image``, if there is one.

    Raises:
        UserError: If the cells are of mixed types, infinite, or do not fit the stated kind.
    """
    at = f"{where}: column {name!r}"
    if not name:
        return DroppedColumn(name, "it has no name")
    if not (is_text(column.type) or is_numeric(column.type)):
        return DroppedColumn(name, f"cells of type {column.type} are not supported")
    if kind == "numeric" or (not kind and not is_text(column.type)):
        return _fit_numbers(feature_numbers(column, at)[train], name, at, bins)
    words = coded(column)
    if not kind:
        _check_mixed(words, at)
        kind = "text" if looks_like_text(words, train) else "categorical"
        kind = "image" if encoded == "image" and are_pictures(words) else kind
    if kind == "image" and encoded != kind:
        raise UserError(f"{at}: pictures are read by a pretrained encoder of images; give encoder: hf:FOLDER")
    if kind == encoded:
        return EncodedColumn(name)
    return TextColumn(name) if kind == "text" else _fit_categories(words, name, train, not is_text(column.type))


def _fit_numbers(values: np.ndarray, name: str, at: str, bins: int) -> FeatureColumn:
    missing = np.isnan(values)
    values = values[~missing]
    if len(values) == 0:
        return DroppedColumn(name, "no value in the training rows")
    with np.errstate(over="ignore", invalid="ignore"):
        center, scale = float(values.mean()), float(values.std())
    if not np.isfinite(scale):
        raise UserError(f"{at}: its numbers are too large (up to {np.abs(values).max():g}); rescale or ignore it")
    if scale <= 1e-12 * abs(center):  # constant but for rounding
        if not missing.any():
            return DroppedColumn(name, "it has one value in the training rows")
        scale = max(abs(center), 1.0)
    edges = bin_edges((values - center) / scale, bins) if bins else ()
    return NumericColumn(name, center, scale, bool(missing.any()), edges)


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
    quantiles = np.quantile(values, np.linspace(0, 1, bins + 1)).astype(np.float32)
    edges = np.unique(quantiles).tolist()
    return tuple(edges) if len(edges) > 1 else (edges[0] - 1, edges[0] + 1)


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
    have a value of their own; more than 30 characters on average (of the distinct values)."""
    counts = words.counts(train)
    used = counts > 0
    if not used.any():
        return False
    lengths = pc.utf8_length(words.words).to_numpy(zero_copy_only=False)
    distinct = int(used.sum())
    signs = (distinct > 50, distinct > int(counts.sum()) / 2, float(lengths[used].mean()) > 30)
    return sum(signs) >= 2


def are_pictures(words: Coded) -> bool:
    """Whether every cell is the name of a picture's file.

    Example:
        >>> [are_pictures(coded(pa.chunked_array([cells]))) for cells in (["a/1.png", "b.JPG"], ["a.png", "b"], [""])]
        [True, False, False]
    """
    return len(words.words) > 0 and all(word.lower().endswith(PICTURES) for word in words.words.to_pylist())


def _check_mixed(words: Coded, at: str) -> None:
    """A few words among many numbers are a slip ("abc", "?", "12 kg"); a few numbers among words can be categories."""
    values, strange = parse(words)
    numeric = ~np.isnan(values)
    if strange.any() and numeric.sum() > strange.sum():
        raise UserError(
            f"{at}: mixes numbers, such as {words.example(numeric)}, and words, such as {words.example(strange)}; "
            "empty such cells, or state the kind of the column (categorical), or ignore it"
        )


def feature_numbers(column: pa.ChunkedArray, at: str) -> np.ndarray:
    """``[n]`` float64 values of a numeric feature, NaN where missing; ``at`` names it in messages."""
    if is_text(column.type):
        words = coded(column)
        values, strange = parse(words)
        if strange.any():
            raise UserError(f"{at}: expected numbers, found {words.example(strange)}; mend or empty such cells")
        return words.gather(values, np.nan)
    if not is_numeric(column.type):
        raise UserError(f"{at}: expected numbers, found cells of type {column.type}")
    values = numbers(column)
    infinite = np.isinf(values)
    if infinite.any():
        raise UserError(
            f"{at}: {int(infinite.sum())} infinite values, first in row {int(infinite.argmax()) + 1}; "
            "replace them by finite numbers or empty cells"
        )
    return values


def encode_numbers(values: list[np.ndarray], columns: tuple[NumericColumn, ...]) -> np.ndarray:
    """``[n, width]`` float32: all columns standardised, then the indicators of missing values."""
    indicators = [value for value, column in zip(values, columns, strict=True) if column.indicator]
    matrix = np.empty((len(values[0]), len(columns) + len(indicators)), np.float32)
    limit = np.finfo(np.float32).max
    for j, (value, column) in enumerate(zip(values, columns, strict=True)):
        matrix[:, j] = np.nan_to_num(np.clip((value - column.center) / column.scale, -limit, limit), nan=0.0)
    for j, value in enumerate(indicators, len(columns)):
        matrix[:, j] = np.isnan(value)
    return matrix


def encode_categories(words: Coded, column: CategoricalColumn) -> np.ndarray:
    """``[n]`` int64 indices into the column's part of the embedding table."""
    known = pc.index_in(words.words, value_set=pa.array(column.categories, pa.large_string()))
    index = pc.fill_null(known, -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    return words.gather(index, 0)
