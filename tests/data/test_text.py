"""Hashed character n-grams."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from polytask.data import text
from polytask.data.columns import coded
from polytask.data.text import TextSettings, encode_texts, hash_texts

SMALL = TextSettings(shortest=1, longest=2, width=128)


def dense(texts: list[str], settings: TextSettings = SMALL) -> np.ndarray:
    return hash_texts(pa.array(texts, pa.large_string()), settings).dense().numpy()


def test_log_counts_of_length_one() -> None:
    (row,) = dense(["aab"])  # a, a, b, aa, ab
    expected = np.log1p([2, 1, 1, 1])
    expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(np.sort(row[row > 0]), np.sort(expected), rtol=1e-6)


@pytest.mark.parametrize("word", ["C1=CC(=O)N", "Grüße, 世界", "aaaaaaaa"])
def test_counts_of_a_plain_loop(word: str) -> None:
    (row,) = dense([word], TextSettings(2, 4, 1 << 20))  # wide: no two n-grams share a place
    counts = Counter(word[i : i + n] for n in (2, 3, 4) for i in range(len(word) - n + 1))
    expected = np.log1p(sorted(counts.values()))
    np.testing.assert_allclose(np.sort(row[row > 0]), expected / np.linalg.norm(expected), rtol=1e-6)


def test_places_are_shared_evenly() -> None:
    rows = dense([chr(c) + chr(d) for c in range(97, 123) for d in range(97, 123)], TextSettings(2, 2, 64))
    per_place = (rows > 0).sum(0)
    assert per_place.sum() == 26 * 26 and per_place.min() > 0 and per_place.max() < 30


def test_a_text_does_not_depend_on_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["one", "", "two two", "three", "x"]
    alone = np.concatenate([dense([word]) for word in texts])
    np.testing.assert_array_equal(dense(texts), alone)
    monkeypatch.setattr(text, "_CHARACTERS", 5)
    np.testing.assert_array_equal(dense(texts), alone)


def test_places_never_change() -> None:
    """Stored models rely on them."""
    rows = hash_texts(pa.array(["CCO"]), TextSettings())
    assert rows.indices.tolist() == [1220, 1572, 2201, 2445, 3875]


def test_case_counts() -> None:
    lower, upper = dense(["c", "C"])
    assert (lower != upper).any()


def test_rows_follow_the_table() -> None:
    column = coded(pa.chunked_array([["xy", "", "ab", "xy", None]]))
    other = coded(pa.chunked_array([["", "z", "zz", "xy", "ab"]]))
    rows = encode_texts([column, other], SMALL)
    expected = np.concatenate([dense(["xy", "", "ab", "xy", ""]), dense(["", "z", "zz", "xy", "ab"])], 1)
    np.testing.assert_array_equal(rows.dense().numpy(), expected)
    assert rows.offsets.tolist()[-1] == len(rows.indices) == len(rows.values)
    assert rows.width == 256


def test_all_missing() -> None:
    rows = encode_texts([coded(pa.chunked_array([pa.nulls(3)]))], SMALL)
    assert len(rows) == 3 and rows.offsets.tolist() == [0, 0, 0, 0]
