"""Training, validation and test rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from ..errors import UserError, did_you_mean, raise_all, used_up
from ..files import replaced
from ..task import KINDS
from .columns import coded

#: The parts, by code.
PARTS = ("train", "validation", "test")
#: Most rows of a drawn validation or test part: more hardly make a metric more certain, and all are evaluated often.
MOST_HELD = 200_000
_WORDS = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1, "dev": 1, "test": 2}


def make_split(
    targets: np.ndarray,
    kinds: Sequence[str],
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    seed: int = 0,
    most: int = MOST_HELD,
) -> np.ndarray:
    """A random split, stratified over all tasks: a function of these rows, the fractions and the seed alone.

    Goes through the classes of all tasks (regression: quarters of the range) from the rarest to the most frequent.
    The rows of a class that are not in a part yet are shared out so that the class comes as close to the fractions
    as it can; a class of at least three rows gets a row in every part where that is possible. The rest is random.

    Args:
        targets: ``[n, K]`` class indices or numbers, NaN where there is no label.
        kinds: Kind of each task.
        fractions: Of training, validation and test rows; more than 0, of sum 1.
        seed: The same seed gives the same split.
        most: Most rows of validation and of test; what is beyond goes to training.

    Returns:
        ``[n]`` int8: 0 training, 1 validation, 2 test; the sizes of the parts are the fractions, rounded.

    Raises:
        UserError: If the fractions are no fractions or there are fewer than three rows.

    Example:
        >>> codes = make_split(np.array([[0.0], [1.0]] * 50), ["binary"], (0.8, 0.1, 0.1))
        >>> np.bincount(codes).tolist(), np.bincount(codes[1::2]).tolist()
        ([80, 10, 10], [40, 5, 5])
        >>> np.bincount(make_split(np.zeros((1000, 1)), ["regression"], most=100)).tolist()
        [800, 100, 100]
    """
    return stratified(targets, kinds, held_shares(_check_fractions(fractions, len(targets)), len(targets), most), seed)


def stratified(targets: np.ndarray, kinds: Sequence[str], shares: np.ndarray, seed: int = 0) -> np.ndarray:
    """What :func:`make_split` does, for any number of parts; ``shares`` ``[parts]`` of sum 1, one may be 0.

    Example:
        >>> np.bincount(stratified(np.zeros((10, 1)), ["regression"], np.array([0.5, 0.3, 0.2]))).tolist()
        [5, 3, 2]
    """
    n, parts = len(targets), np.arange(len(shares), dtype=np.int8)
    generator = np.random.default_rng(seed)
    codes = np.full(n, -1, np.int8)
    room = _apportion(shares * n, n, (shares > 0).astype(int))
    for rows in sorted(strata(np.asarray(targets, float), kinds), key=len):
        free = generator.permutation(rows[codes[rows] < 0])
        have = np.bincount(codes[rows][codes[rows] >= 0], minlength=len(parts))
        take = _share_out(shares * len(rows), have, len(free), room)
        codes[free] = np.repeat(parts, take)
        room -= take
    rest = generator.permutation(np.flatnonzero(codes < 0))
    codes[rest] = np.repeat(parts, room)
    return codes


def held_shares(shares: np.ndarray, n: int, most: int = MOST_HELD) -> np.ndarray:
    """The shares of ``n`` rows with at most ``most`` rows in every part but the first.

    Example:
        >>> held_shares(np.array([0.5, 0.5, 0.0]), 1000, most=100).tolist()
        [0.9, 0.1, 0.0]
    """
    room = _apportion(shares * n, n, (shares > 0).astype(int))
    if max(room[1:], default=0) <= most:
        return shares
    held = np.minimum(room[1:], most)
    return np.asarray(np.array([n - held.sum(), *held]) / n)


def _check_fractions(fractions: Sequence[float], n: int) -> np.ndarray:
    shares = np.asarray(fractions, float)
    if shares.shape != (3,) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
        shown = ",".join(f"{share:g}" for share in np.ravel(shares))
        raise UserError(f"split: expected three fractions above 0 of sum 1, such as 0.7,0.15,0.15; found {shown}")
    if n < 3:
        raise UserError(f"split: {n} rows cannot be split in training, validation and test; at least 3 are needed")
    return shares / shares.sum()


def strata(targets: np.ndarray, kinds: Sequence[str]) -> Iterator[np.ndarray]:
    """Row numbers of every class of every task."""
    for k, kind in enumerate(kinds):
        rows = np.flatnonzero(~np.isnan(targets[:, k]))
        if len(rows) == 0:
            continue
        values = targets[rows, k]
        values = KINDS[kind].strata(values)
        order = np.argsort(values, kind="stable")
        yield from np.split(rows[order], np.flatnonzero(np.diff(values[order])) + 1)


def _share_out(wanted: np.ndarray, have: np.ndarray, free: int, room: np.ndarray) -> np.ndarray:
    """How many of ``free`` rows go to each part, so that ``have`` comes close to ``wanted`` within ``room``."""
    need = np.maximum(wanted - have, 0)
    if need.sum() == 0:
        need = wanted
    at_least = np.minimum((have == 0) & (wanted > 0), room) if wanted.sum() >= 3 else np.zeros(len(room), int)
    take = np.minimum(_apportion(need * free / need.sum(), free, at_least), room)
    while take.sum() < free:  # a part was full: to the others, in proportion to their room
        left = room - take
        take += np.minimum(_apportion(left * (free - take.sum()) / left.sum(), free - take.sum(), 0 * left), left)
    return take


def _apportion(ideal: np.ndarray, total: int, at_least: np.ndarray) -> np.ndarray:
    """Whole numbers of sum ``total`` close to ``ideal``, and at least ``at_least`` where the total allows.

    Example:
        >>> _apportion(np.array([1.2, 0.6, 0.2]), 2, np.array([0, 0, 0])).tolist()
        [1, 1, 0]
    """
    whole = np.floor(ideal + 1e-9).astype(int)
    for part in np.argsort(-(ideal - whole), kind="stable")[: total - whole.sum()]:
        whole[part] += 1
    for part in np.flatnonzero(whole < at_least):
        donor = int(np.argmax(whole - at_least))
        if whole[donor] > at_least[donor]:
            whole[donor] -= 1
            whole[part] += 1
    return whole


def split_from_column(table: pa.Table, column: str, where: str) -> np.ndarray:
    """``[n]`` int8 codes from a column of words: train, validation (also valid, val, dev), test.

    Raises:
        UserError: If there is no such column, another word or an empty cell in it, or no row for training or for
            validation. Without test rows there are no test metrics.
    """
    if column not in table.column_names:
        raise UserError(f"{where}: there is no split column {column!r}; {did_you_mean(column, table.column_names)}")
    at = f"{where}: split column {column!r}"
    words = coded(table[column])
    meaning = [_WORDS.get(word.strip().lower(), -1) for word in words.words.to_pylist()]
    known = np.array(meaning, np.int8)
    expected = "expected train, validation (valid, val, dev) or test"
    problems = []
    if (known < 0).any():
        problems.append(f"{at}: {expected}, found {words.example(known < 0)}")
    empty = words.index < 0
    if empty.any():
        problems.append(f"{at}: {int(empty.sum())} empty cells, first in row {int(empty.argmax()) + 1}; {expected}")
    absent = [part for code, part in enumerate(PARTS[:2]) if code not in meaning]
    if absent and not problems:
        problems.append(f"{at}: no rows for {' and '.join(absent)}; train and validation are needed")
    raise_all(problems)
    return words.gather(known, -1)


def save_split(
    path: str | Path, codes: np.ndarray, ids: pa.Array | None = None, keys: np.ndarray | None = None
) -> None:
    """Write which row is in which part as Parquet: columns ``id`` (or ``row``, the position) and ``split``.

    With ``keys`` also ``features``, by which rows are found again (:func:`~polytask.data.equal_rows.row_keys`).
    """
    names = pa.array(PARTS).take(pa.array(codes))
    key = {"row": pa.array(np.arange(len(codes)))} if ids is None else {"id": ids}
    features = {} if keys is None else {"features": pa.array(keys)}
    with replaced(Path(path)) as temporary:
        pa.parquet.write_table(pa.table({**key, "split": names, **features}), temporary)


def load_split(path: str | Path) -> tuple[np.ndarray, pa.Array | None]:
    """The codes ``[n]`` int8 and the ids (None if rows are counted) that :func:`save_split` wrote.

    Raises:
        UserError: If the file is missing, damaged or of another kind.
    """
    try:
        table = pa.parquet.ParquetFile(path).read()
        codes = pc.index_in(table["split"], value_set=pa.array(PARTS)).to_numpy().astype(np.int8)
    except FileNotFoundError:
        raise UserError(f"{path}: file not found") from None
    except (pa.ArrowException, OSError, KeyError) as error:
        if used_up(error):
            raise
        raise UserError(f"{path}: is not a saved split, or damaged ({error})") from error
    return codes, table["id"].combine_chunks() if "id" in table.column_names else None


def load_row_keys(path: str | Path) -> np.ndarray | None:
    """``[n]`` uint64 by which the rows of a split that :func:`load_split` reads are found again; None without."""
    file = pa.parquet.ParquetFile(path)
    if "features" not in file.schema_arrow.names:
        return None
    return np.asarray(file.read(columns=["features"])["features"].to_numpy())
