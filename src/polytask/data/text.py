"""Free text as hashed character n-grams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from .columns import Coded
from .sparse import SparseRows

#: Characters that are hashed at a time; bounds the memory.
_CHARACTERS = 1 << 20


@dataclass(frozen=True)
class TextSettings:
    """How a text becomes numbers: ``log(1 + count)`` of its character n-grams, scaled to length 1.

    Case is kept, because it means something in chemical formulas. The settings are stored with the model.

    Attributes:
        shortest: Characters of the shortest n-grams.
        longest: Characters of the longest n-grams.
        width: Number of positions that n-grams are hashed to, per column.
    """

    shortest: int = 1
    longest: int = 4
    width: int = 4096


def hash_texts(texts: pa.Array, settings: TextSettings) -> SparseRows:
    """``[texts, width]`` sparse, rows of length 1 (empty texts: all 0).

    Written with arrays instead of scikit-learn's HashingVectorizer, which goes through the n-grams one by one in
    Python and takes ten times as long.

    Args:
        texts: ``[texts]`` strings, at least one, without nulls.
        settings: Width and lengths of n-grams.
    """
    pieces = zip(*_pieces(texts, settings), strict=True)
    lengths, indices, values = (np.concatenate(column) for column in pieces)
    offsets = np.concatenate([[0], lengths.cumsum()])
    return SparseRows(torch.from_numpy(offsets), torch.from_numpy(indices), torch.from_numpy(values), settings.width)


def _pieces(texts: pa.Array, settings: TextSettings) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Some texts at a time: number of positions per text, the positions, their values."""
    lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
    piece = lengths.cumsum() // _CHARACTERS
    starts = np.flatnonzero(np.diff(piece, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(texts)], strict=True):
        joined = "".join(texts[start:stop].to_pylist())
        characters = np.frombuffer(joined.encode("utf-32-le"), np.uint32)
        owner = np.repeat(np.arange(stop - start), lengths[start:stop])
        yield _log_counts(characters, owner, int(stop - start), settings)


def _log_counts(
    characters: np.ndarray, owner: np.ndarray, texts: int, settings: TextSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As :func:`_pieces`, from the characters ``[m]`` of several texts and the number of the text of each."""
    width = settings.width
    keys = []
    code = np.zeros(len(characters), np.uint64)
    for n in range(1, settings.longest + 1):
        # The code of the n-gram that starts at each character, from that of the shorter one.
        code = _mixed(code[: len(characters) - n + 1] + characters[n - 1 :])
        if n >= settings.shortest:
            inside = owner[: len(code)] == owner[n - 1 :]
            keys.append(owner[: len(code)][inside] * width + (code[inside] % np.uint64(width)).astype(np.int64))
    places, counts = np.unique(np.concatenate(keys), return_counts=True)
    text, values = places // width, np.log1p(counts)
    length = np.sqrt(np.bincount(text, values**2, minlength=texts))
    found = np.bincount(text, minlength=texts)
    return found, (places % width).astype(np.int32), (values / length[text]).astype(np.float32)


def _mixed(code: np.ndarray) -> np.ndarray:
    """Spread the bits of 64-bit codes (the finaliser of SplitMix64); the same on every machine."""
    code = code + np.uint64(0x9E3779B97F4A7C15)
    code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return code ^ (code >> np.uint64(31))


def encode_texts(columns: list[Coded], settings: TextSettings) -> SparseRows:
    """Text columns side by side, each hashed into its own ``settings.width`` positions; missing texts are empty.

    Each distinct text is hashed once.
    """
    return side_by_side([spread(column, lambda words: hash_texts(words, settings)) for column in columns])


def side_by_side(parts: Sequence[SparseRows]) -> SparseRows:
    """The columns of all parts, which have equally many rows, one beside the other."""
    if len(parts) == 1:
        return parts[0]
    lengths = torch.stack([part.offsets.diff() for part in parts], 1)  # [n, columns]
    offsets = torch.cat([lengths.new_zeros(1), lengths.sum(1).cumsum(0)])
    starts = offsets[:-1, None] + lengths.cumsum(1) - lengths  # where each column's piece of each row goes
    indices = torch.empty(int(offsets[-1]), dtype=torch.int32)
    values = torch.empty(int(offsets[-1]))
    before = np.cumsum([0, *(part.width for part in parts)]).tolist()
    for j, part in enumerate(parts):
        to = (starts[:, j] - part.offsets[:-1]).repeat_interleave(lengths[:, j]) + torch.arange(len(part.indices))
        indices[to] = part.indices + before[j]
        values[to] = part.values
    return SparseRows(offsets, indices, values, before[-1])


def spread(column: Coded, sparse: Callable[[pa.Array], SparseRows]) -> SparseRows:
    """Sparse rows of the distinct words, one for each row; an added empty word stands for missing."""
    words = pa.concat_arrays([column.words.cast(pa.large_string()), pa.array([""], pa.large_string())])
    return sparse(words)[torch.from_numpy(column.index % len(words))]  # -1 becomes the added one


def without_columns(texts: SparseRows, dropped: Iterable[int], width: int) -> SparseRows:
    """The positions of some columns of :func:`side_by_side` left out.

    Args:
        texts: All columns.
        dropped: Positions of those to leave out, each of which has ``width`` places.
        width: Of one column.

    Example:
        >>> both = SparseRows(torch.tensor([0, 2, 3]), torch.tensor([1, 6, 7]), torch.ones(3), 8)
        >>> without_columns(both, [0], 4).dense()
        tensor([[0., 0., 1., 0.],
                [0., 0., 0., 1.]])
    """
    stays = torch.ones(texts.width, dtype=torch.bool)
    for position in dropped:
        stays[position * width : (position + 1) * width] = False
    kept = stays[texts.indices.long()]
    before = torch.cat([kept.new_zeros(1, dtype=torch.long), kept.cumsum(0)])
    indices = (stays.cumsum(0) - 1)[texts.indices[kept].long()].to(texts.indices.dtype)
    return SparseRows(before[texts.offsets], indices, texts.values[kept], int(stays.sum()))
