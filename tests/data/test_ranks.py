"""Ranks are those of SciPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from polytask.data.ranks import ranks

NUMBERS = st.sampled_from([-np.inf, -2.5, -0.0, 0.0, 1e-300, 1.0, 7.0, np.inf])


@given(arrays(np.float64, st.tuples(st.integers(0, 12), st.integers(0, 4)), elements=NUMBERS))
def test_ranks_with_ties_and_infinities(columns: np.ndarray) -> None:
    np.testing.assert_array_equal(ranks(columns), rankdata(columns, axis=0) if columns.size else columns)


def test_ranks_of_many_numbers() -> None:
    columns = np.random.default_rng(0).normal(size=(5000, 3)).round(3)
    np.testing.assert_array_equal(ranks(columns), rankdata(columns, axis=0))
