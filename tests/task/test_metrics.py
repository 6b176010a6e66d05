"""Metrics against scikit-learn and scipy, and what they say where they are not defined."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as reference

from polytask.task import METRICS, Task

RANDOM = np.random.default_rng(0)
NAN = math.nan
YES, NO_OR_YES = RANDOM.random(80), RANDOM.integers(0, 2, 80)
SHARES, CLASS = RANDOM.dirichlet(np.ones(4), 80), RANDOM.integers(0, 4, 80)
VALUES, TRUTH = RANDOM.normal(size=80).round(1), RANDOM.normal(size=80).round(1)

BINARY = {
    "roc_auc": reference.roc_auc_score(NO_OR_YES, YES),
    "average_precision": reference.average_precision_score(NO_OR_YES, YES),
    "accuracy": reference.accuracy_score(NO_OR_YES, YES > 0.5),
    "macro_f1": reference.f1_score(NO_OR_YES, YES > 0.5, average="macro"),
    "matthews": reference.matthews_corrcoef(NO_OR_YES, YES > 0.5),
    "log_loss": reference.log_loss(NO_OR_YES, YES),
    "balanced_accuracy": reference.balanced_accuracy_score(NO_OR_YES, YES > 0.5),
    "f1": reference.f1_score(NO_OR_YES, YES > 0.5),
    "precision": reference.precision_score(NO_OR_YES, YES > 0.5),
    "recall": reference.recall_score(NO_OR_YES, YES > 0.5),
    "brier": reference.brier_score_loss(NO_OR_YES, YES),
}
MULTICLASS = {
    "accuracy": reference.accuracy_score(CLASS, SHARES.argmax(1)),
    "macro_f1": reference.f1_score(CLASS, SHARES.argmax(1), average="macro"),
    "matthews": reference.matthews_corrcoef(CLASS, SHARES.argmax(1)),
    "log_loss": reference.log_loss(CLASS, SHARES),
    "balanced_accuracy": reference.balanced_accuracy_score(CLASS, SHARES.argmax(1)),
    "brier": ((SHARES - np.eye(4)[CLASS]) ** 2).sum(1).mean(),
}
REGRESSION = {
    "r2": reference.r2_score(TRUTH, VALUES),
    "spearman": stats.spearmanr(TRUTH, VALUES).statistic,
    "pearson": stats.pearsonr(TRUTH, VALUES).statistic,
    "rmse": reference.root_mean_squared_error(TRUTH, VALUES),
    "mae": reference.mean_absolute_error(TRUTH, VALUES),
}
DATA = {"binary": (YES, NO_OR_YES), "multiclass": (SHARES, CLASS), "regression": (VALUES, TRUTH)}
EXPECTED = {"binary": BINARY, "multiclass": MULTICLASS, "regression": REGRESSION}
CASES = [(name, kind) for name, metric in METRICS.items() for kind in metric.kinds if kind in DATA]


def tensors(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.tensor(part, dtype=torch.float32) for part in DATA[kind])


def best_constant(name: str, kind: str, targets: torch.Tensor) -> torch.Tensor:
    """The constant prediction whose metric is called trivial."""
    n = len(targets)
    if kind == "regression":
        return torch.full((n,), float(targets.median() if name == "mae" else targets.mean()))
    if kind == "binary":
        return torch.full((n,), 1.0 if name in ("f1", "precision") else float(targets.mean()))
    return (torch.bincount(targets.long(), minlength=4) / n).expand(n, 4)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_metric_equals_its_reference(name, kind):
    assert METRICS[name](*tensors(kind)) == pytest.approx(EXPECTED[kind][name], abs=1e-5)


@pytest.mark.parametrize(
    ("name", "kind"),
    [case for case in CASES if case[0] not in ("macro_f1", "matthews", "spearman", "pearson", "recall")],
)
def test_a_constant_prediction_reaches_the_trivial_level(name, kind):
    _, targets = tensors(kind)
    constant = METRICS[name](best_constant(name, kind, targets), targets)
    assert constant == pytest.approx(METRICS[name].trivial(targets), abs=1e-5)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_perfect_prediction_has_skill_one_and_a_trivial_one_has_none(name, kind):
    _, targets = tensors(kind)
    perfect = torch.eye(4)[targets.long()] if kind == "multiclass" else targets
    metric = METRICS[name]
    trivial = metric.trivial(targets)
    assert metric.skill(metric(perfect, targets), trivial) == pytest.approx(1, abs=1e-5)
    assert metric.skill(trivial, trivial) == 0


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_no_rows_and_predictions_that_are_not_finite_give_nan(name, kind):
    predictions, targets = tensors(kind)
    assert math.isnan(METRICS[name](predictions[:0], targets[:0]))
    predictions[3] = torch.nan
    assert math.isnan(METRICS[name](predictions, targets))


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "matthews", "r2", "spearman", "pearson"])
def test_targets_without_variation_give_nan_where_the_metric_needs_it(name):
    predictions, targets = tensors(next(kind for kind in METRICS[name].kinds if kind in DATA))
    assert math.isnan(METRICS[name](predictions, torch.ones_like(targets)))


def test_a_metric_of_one_class_only_is_finite_where_it_is_defined():
    predictions, _ = tensors("binary")
    assert METRICS["accuracy"](predictions, torch.ones(80)) == pytest.approx((YES > 0.5).mean(), abs=1e-6)
    assert math.isfinite(METRICS["log_loss"](torch.zeros(80), torch.ones(80)))


def test_skill_is_zero_where_nothing_can_be_gained():
    assert METRICS["accuracy"].skill(1.0, trivial=1.0) == 0


def test_skill_counts_down_for_a_metric_to_minimise():
    assert METRICS["rmse"].skill(0.5, trivial=2.0) == 0.75
    assert METRICS["rmse"].skill(3.0, trivial=2.0) < 0


MISSING = torch.tensor(NO_OR_YES.reshape(20, 4), dtype=torch.float32)
MISSING[:5, 1] = NAN
MISSING[:, 3] = 1.0  # one answer only: no curve


@pytest.mark.parametrize(
    ("name", "score"),
    [("mean_roc_auc", reference.roc_auc_score), ("mean_f1", lambda y, p: reference.f1_score(y, p > 0.5))],
)
def test_metrics_of_several_labels_are_means_over_those_with_both_answers(name, score):
    p = torch.tensor(YES.reshape(20, 4), dtype=torch.float32)
    known = [~torch.isnan(MISSING[:, column]) for column in range(3)]
    expected = np.mean([score(MISSING[rows, k].numpy(), p[rows, k].numpy()) for k, rows in enumerate(known)])
    assert METRICS[name](p, MISSING) == pytest.approx(expected, abs=1e-5)


def test_ndcg_is_the_mean_over_lists_with_something_relevant():
    scores = torch.tensor([[0.3, 0.9, 0.1], [0.2, 0.1, 7.0], [1.0, 2.0, 3.0]])
    relevance = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, NAN], [0.0, 0.0, 0.0]])
    one = reference.ndcg_score([[2, 0, 1]], [[0.3, 0.9, 0.1]])
    other = reference.ndcg_score([[0, 1]], [[0.2, 0.1]])
    assert METRICS["ndcg"](scores, relevance) == pytest.approx((one + other) / 2, abs=1e-5)
    trivial = METRICS["ndcg"].trivial(relevance)
    assert trivial == pytest.approx(METRICS["ndcg"](torch.ones(3, 3), relevance)) and 0 < trivial < 1


def test_metrics_of_tags_leave_padding_out():
    task = Task("slots", kind="tags", classes=("O", "B-city", "I-city", "B-day"))
    true = torch.tensor([[1.0, 2.0, 0.0, 3.0], [1.0, 0.0, NAN, NAN]])
    found = torch.tensor([[1, 2, 0, 3], [0, 0, 1, 1]])
    p = torch.nn.functional.one_hot(found, 4).float()
    assert task.metric_definition(p, true) == pytest.approx(2 * 2 / (3 + 2))
    assert METRICS["token_accuracy"](p, true) == pytest.approx(5 / 6)


def test_metrics_without_anything_to_measure_are_undefined():
    nothing = torch.full((3, 2), NAN)
    for name in ("mean_roc_auc", "mean_f1", "ndcg"):
        assert math.isnan(METRICS[name](torch.rand(3, 2), nothing))
    assert math.isnan(Task("slots", kind="tags", classes=("O", "B-x")).metric_definition(torch.rand(3, 2, 2), nothing))
