"""Free text as hashed character n-grams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

from .columns import Coded
from .sparse import SparseRows


@dataclass(frozen=True)
class TextSettings:
    """How a text becomes numbers: ``log(1 + count)`` of its character n-grams, scaled to length 1.

    Case is kept, because it means something in chemical formulas. The settings are stored with the model.

    Attributes:
        shortest: Characters of the shortest n-grams.
        longest: Characters of the longest n-grams.
        width: Number of places that n-grams are hashed to, per column.
    """

    shortest: int = 1
    longest: int = 4
    width: int = 4096


def hash_words(words: list[str], settings: TextSettings) -> csr_matrix:
    """``[words, width]`` sparse float32, rows of length 1 (empty texts: all 0)."""
    if not words:
        return csr_matrix((0, settings.width), dtype=np.float32)
    vectorizer = HashingVectorizer(
        analyzer="char",
        ngram_range=(settings.shortest, settings.longest),
        n_features=settings.width,
        lowercase=False,
        alternate_sign=False,
        norm=None,
        dtype=np.float32,
    )
    matrix = vectorizer.transform(words).tocsr()
    matrix.sum_duplicates()
    np.log1p(matrix.data, out=matrix.data)
    return normalize(matrix, copy=False)


def encode_texts(columns: list[Coded], settings: TextSettings) -> SparseRows:
    """Text columns side by side, each hashed into its own ``settings.width`` places; missing texts are empty.

    Each distinct text is hashed once.
    """
    parts = [_rows(column, hash_words(column.words.to_pylist(), settings)) for column in columns]
    lengths = np.stack([np.diff(part.indptr) for part in parts], 1)  # [n, columns]
    offsets = np.concatenate([[0], lengths.sum(1).cumsum()])
    starts = offsets[:-1, None] + lengths.cumsum(1) - lengths  # where each column's piece of each row goes
    indices = np.empty(offsets[-1], np.int32)
    values = np.empty(offsets[-1], np.float32)
    for j, part in enumerate(parts):
        to = np.repeat(starts[:, j] - part.indptr[:-1], lengths[:, j]) + np.arange(part.nnz)
        indices[to] = part.indices + j * settings.width
        values[to] = part.data
    width = settings.width * len(columns)
    return SparseRows(torch.from_numpy(offsets), torch.from_numpy(indices), torch.from_numpy(values), width)


def _rows(column: Coded, matrix: csr_matrix) -> csr_matrix:
    """The matrix of distinct words spread over the rows; an added empty row stands for missing."""
    padded = csr_matrix(
        (matrix.data, matrix.indices, np.append(matrix.indptr, matrix.nnz)),
        shape=(matrix.shape[0] + 1, matrix.shape[1]),
    )
    return padded[column.index % padded.shape[0]]  # -1 becomes the added row
