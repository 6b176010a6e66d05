"""Standard errors of metrics and of paired differences have the size of the real sampling error."""

import pytest
import torch

from polytask.task import METRICS
from polytask.uncertainty import Estimate, critical, estimate, estimate_of_rows, exceeds, interval, trivial_estimate

ROC_AUC = METRICS["roc_auc"]


def drawn(seed: int, n: int, signal: float = 1.0):
    """Two predictions that share most of their noise, and targets, for both classes and numbers."""
    g = torch.Generator().manual_seed(seed)
    x, e, own = (torch.randn(n, generator=g) for _ in range(3))
    score = signal * x + e
    return x, x + 0.3 * own, score


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "accuracy", "log_loss", "matthews", "r2", "rmse",
                                  "spearman", "mae"])  # fmt: skip
def test_errors_cover_the_truth(name):
    metric = METRICS[name]
    singles, differences, errors, paired = [], [], [], []
    for seed in range(120):
        one, other, y = drawn(seed, 300)
        if metric.kinds[0] == "binary":
            one, other, y = torch.sigmoid(2 * one), torch.sigmoid(2 * other), (y > 1).float()
        first, second = estimate(metric, one, y), estimate(metric, other, y)
        singles.append(first.value)
        errors.append(first.error)
        differences.append((first - second).value)
        paired.append((first - second).error)
    for values, stated in ((singles, errors), (differences, paired)):
        real, said = torch.tensor(values).std(), torch.tensor(stated).mean()
        assert 0.8 < float(said / real) < 1.25, (name, float(real), float(said))
    assert sum(paired) < 0.7 * sum(errors)  # pairing is worth something


def test_false_yes_is_as_rare_as_asked_for():
    wrong = 0
    for seed in range(1000):
        g = torch.Generator().manual_seed(seed)
        p, y = torch.rand(200, generator=g), (torch.rand(200, generator=g) < 0.3).float()
        wrong += exceeds(estimate(METRICS["roc_auc"], p, y).shifted(-0.5), 0.01)
    assert wrong <= 20


def ranked(seed: int, distance: float) -> tuple[Estimate, float]:
    """Area under the curve of 33 rows, 10 of them positive, above that of a constant; and its error under no effect."""
    y = torch.tensor([1.0] * 10 + [0.0] * 23)
    p = distance * y + torch.randn(33, generator=torch.Generator().manual_seed(seed))
    return estimate(ROC_AUC, p, y) - trivial_estimate(ROC_AUC, y), ROC_AUC.null_error(y)


def test_a_known_null_error_tells_signal_from_chance_on_few_rows():
    def learned(distance: float, level: float, draws: int) -> int:
        found = (ranked(seed, distance) for seed in range(draws))
        return sum(exceeds(difference, level, null_error=null) for difference, null in found)

    assert learned(0.0, 0.01, draws=1000) <= 20
    assert learned(2.5, 0.001, draws=100) >= 90  # 42 of 100 where the known error is judged like a measured one


def test_rows_that_are_all_right_have_the_null_error():
    y = torch.tensor([1.0] * 5 + [0.0] * 5)
    difference = estimate(ROC_AUC, y, y) - trivial_estimate(ROC_AUC, y)
    assert exceeds(difference, 0.01) and difference.error == 0
    assert not exceeds(difference, 0.00135, null_error=ROC_AUC.null_error(y))


def test_rows_with_labels_are_paired_by_id():
    p, q, y = (value[:1000] for value in drawn(0, 1000))
    ids = torch.arange(0, 1000, 2)
    whole = estimate(METRICS["r2"], p, y) - estimate(METRICS["r2"], q, y)
    half = estimate(METRICS["r2"], p[ids], y[ids], ids) - estimate(METRICS["r2"], q[ids], y[ids], ids)
    assert half.error == pytest.approx(whole.error * 2**0.5, rel=0.25)


def test_many_rows_and_few_blocks_agree():
    p, _, y = drawn(0, 50_000)
    metric = METRICS["r2"]
    exact = float(metric.influences(p, y).norm()) / 50_000
    assert estimate(metric, p, y).error == pytest.approx(exact, rel=0.15)


@pytest.mark.parametrize("period", [2, 3, 10, 5000])
@pytest.mark.parametrize("rows", [200, 1000, 5000])
def test_sorted_and_periodic_rows_have_the_same_error_as_shuffled_ones(rows, period):
    values = (torch.arange(rows) % period).double()
    found, expected = estimate_of_rows(values).error, float(values.std()) / rows**0.5
    assert found == pytest.approx(expected, rel=0.15)


def test_few_rows_decide_nothing():
    y = torch.tensor([1.0, 1, 1, *[0] * 200])
    p = y + 0.01 * torch.arange(203.0).sin()
    assert not exceeds(estimate(METRICS["roc_auc"], p, y).shifted(-0.5), 0.05)


def test_trivial_prediction_is_paired_too():
    """Predicting the majority is no better than the majority, and its difference has no error."""
    y = torch.tensor([1.0] * 70 + [0.0] * 30)
    metric = METRICS["accuracy"]
    difference = estimate(metric, torch.ones(100), y) - trivial_estimate(metric, y)
    assert difference.value == pytest.approx(0) and difference.error == pytest.approx(0)
    assert not exceeds(difference, 0.01)


def test_undefined_values_decide_nothing():
    found = estimate(METRICS["roc_auc"], torch.rand(5), torch.ones(5))
    assert found.value != found.value and not exceeds(found, 0.5)


def test_intervals_and_quantiles():
    assert critical(0.00135, 10**6) == pytest.approx(3, abs=0.01)
    low, high = interval(Estimate(1.0, torch.tensor([0.1, -0.1]), 10**6))
    assert (low, high) == pytest.approx((1 - 1.96 * 0.2, 1 + 1.96 * 0.2), abs=0.01)
