"""Hashed character n-grams."""

import numpy as np
import pyarrow as pa
import pytest

from polytask.data.columns import coded
from polytask.data.text import TextSettings, encode_texts, hash_words

SMALL = TextSettings(shortest=1, longest=2, width=128)


def test_log_counts_of_length_one() -> None:
    matrix = hash_words(["aab"], SMALL).toarray()[0]  # a, a, b, aa, ab
    expected = np.log1p([2, 1, 1, 1])
    expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(np.sort(matrix[matrix > 0]), np.sort(expected), rtol=1e-6)
    assert np.linalg.norm(matrix) == pytest.approx(1)


def test_case_counts() -> None:
    lower, upper = hash_words(["c", "C"], SMALL).toarray()
    assert (lower != upper).any()


def test_rows_follow_the_table() -> None:
    column = coded(pa.chunked_array([["xy", "", "ab", "xy", None]]))
    rows = encode_texts([column, column], SMALL)
    dense = rows.dense().numpy()
    once = hash_words(["xy", "", "ab", "xy", ""], SMALL).toarray()
    np.testing.assert_array_equal(dense, np.concatenate([once, once], 1))
    assert rows.offsets.tolist()[-1] == len(rows.indices) == len(rows.values)


def test_all_missing() -> None:
    rows = encode_texts([coded(pa.chunked_array([pa.nulls(3)]))], SMALL)
    assert len(rows) == 3 and rows.offsets.tolist() == [0, 0, 0, 0]
