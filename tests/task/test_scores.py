"""Scores from an order, where ties, lists and constants make them easy to get wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from polytask.task.scores import average_precision, confusion, ndcg, pearson, roc_auc, spearman

#: Few different values, so that there are many ties.
LISTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1)), min_size=2, max_size=40)


@given(LISTS)
def test_areas_equal_those_of_scikit_learn_with_ties(pairs: list[tuple[int, int]]) -> None:
    scores, answers = (np.array(part) for part in zip(*[*pairs, (2, 0), (2, 1)], strict=True))
    p, y = torch.tensor(scores / 4), torch.tensor(answers)
    assert roc_auc(p, y).item() == pytest.approx(reference.roc_auc_score(answers, scores), abs=1e-12)
    assert average_precision(p, y).item() == pytest.approx(reference.average_precision_score(answers, scores))


@given(LISTS)
def test_gain_of_a_list_equals_that_of_scikit_learn_with_ties(pairs: list[tuple[int, int]]) -> None:
    scores, gains = (np.array(part) for part in zip(*[*pairs, (1, 3)], strict=True))
    expected = reference.ndcg_score([gains], [scores])
    assert ndcg(torch.tensor(scores), torch.tensor(gains)).item() == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=40))
def test_correlations_equal_those_of_scipy_with_ties(pairs: list[tuple[int, int]]) -> None:
    a, b = (np.array(part, dtype=float) for part in zip(*[*pairs, (0, 1), (3, 7)], strict=True))
    p, y = torch.tensor(a), torch.tensor(b)
    assert spearman(p, y).item() == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-9)
    assert pearson(p, y).item() == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-9)


def test_a_constant_has_no_correlation() -> None:
    constant, values = torch.ones(4), torch.arange(4.0)
    assert math.isnan(pearson(constant, values))
    assert spearman(constant, values) == 0


def test_classes_that_do_not_occur_have_their_place() -> None:
    assert confusion(torch.tensor([0, 2]), torch.tensor([2, 2]), 4).nonzero().tolist() == [[0, 2], [2, 2]]
