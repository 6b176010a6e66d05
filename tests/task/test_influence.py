"""The influences of rows are those of the jackknife, for every metric."""

import pytest
import torch

from influences import same_as_leaving_out
from polytask.task import METRICS
from polytask.task.influence import by_groups

N = 240
CLASSES = ("O", "B-a", "I-a")


def example(kind: str, seed: int = 0):
    """Predictions and targets of a kind, with ties among the predictions."""
    g = torch.Generator().manual_seed(seed)
    x, noise = torch.randn(N, generator=g), torch.randn(N, generator=g)
    if kind == "binary":
        return torch.sigmoid(x).mul(40).round() / 40, (x + noise > 0.5).float()
    if kind == "multiclass":
        return torch.randn(N, 3, generator=g).softmax(-1), torch.randint(0, 3, (N,), generator=g).float()
    if kind == "regression":
        return x, x + noise
    if kind == "multilabel":
        y = (torch.randn(N, 2, generator=g) + x[:, None] > 0).float()
        return torch.sigmoid(x[:, None] + torch.randn(N, 2, generator=g)), torch.where(
            torch.rand(N, 2, generator=g) < 0.2, torch.nan, y
        )
    if kind == "ranking":
        return torch.randn(N, 5, generator=g), torch.randint(0, 3, (N, 5), generator=g).float()
    if kind == "tags":
        y = torch.randint(0, 3, (N, 4), generator=g).float()
        return torch.randn(N, 4, 3, generator=g).softmax(-1), torch.where(
            torch.rand(N, 4, generator=g) < 0.2, torch.nan, y
        )
    return torch.randn(N, 4, generator=g), torch.randn(N, 4, generator=g)  # dense


#: Kinds of :func:`example`; metrics of the others are tried in the tests of these.
EXAMPLES = ("multiclass", "binary", "regression", "multilabel", "ranking", "tags", "dense")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if set(metric.kinds) & set(EXAMPLES)])
def test_influence_is_that_of_leaving_one_row_out(name):
    metric = METRICS[name]
    p, y = example(next(kind for kind in EXAMPLES if kind in metric.kinds))
    same_as_leaving_out(metric, p, y, **({"classes": CLASSES} if metric.by_name else {}))


def test_every_metric_has_an_influence():
    assert all(metric.influence is not None for metric in METRICS.values())


def test_a_metric_without_influence_takes_groups_of_rows():
    p, y = example("regression")
    metric = METRICS["r2"]
    groups = by_groups(metric.value)(p, y)
    assert torch.allclose(groups.norm(), metric.influences(p, y).norm(), rtol=0.35)


def test_area_under_the_curve_has_the_error_of_delong():
    """Two models of scikit-learn-like toy scores, worked by hand from the placements."""
    p, y = torch.tensor([0.9, 0.8, 0.4, 0.7, 0.3, 0.2]), torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    positives, negatives = torch.tensor([1.0, 1.0, 2 / 3]), torch.tensor([2 / 3, 1.0, 1.0])
    variance = positives.var(unbiased=False) / 3 + negatives.var(unbiased=False) / 3
    found = METRICS["roc_auc"].influences(p, y)
    assert float(found.square().sum() / 36) == pytest.approx(float(variance), rel=1e-6)
