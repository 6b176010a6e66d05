"""Counts: Poisson rates with a log link."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import mean_poisson_deviance

import polytask as pt
from influences import same_as_leaving_out
from polytask.errors import UserError
from polytask.task import KINDS, METRICS, Task
from polytask.task.kinds.count import MOST
from whole_way import whole_way

KIND = KINDS["count"]
DRAW = np.random.default_rng(0)
RATES, COUNTS = DRAW.gamma(2.0, 1.5, 200), DRAW.poisson(3.0, 200)


def tensors() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(RATES), torch.tensor(COUNTS, dtype=torch.float64)


def test_the_loss_is_the_likelihood_up_to_what_no_prediction_changes():
    rates, counts = tensors()
    other = rates.flip(0)
    found = KIND.loss(rates.log(), counts) - KIND.loss(other.log(), counts)
    expected = stats.poisson.logpmf(COUNTS, other) - stats.poisson.logpmf(COUNTS, RATES)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_loss_and_its_slope_are_0_where_the_rate_is_the_count():
    counts = torch.tensor([1.0, 2.0, 7.0])
    outputs = counts.log().requires_grad_()
    losses = KIND.loss(outputs, counts)
    losses.sum().backward()
    torch.testing.assert_close(losses.detach(), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(outputs.grad, torch.zeros(3), atol=1e-6, rtol=0)


def test_the_soft_loss_is_the_divergence_of_the_teachers_distribution():
    teacher, student = torch.tensor([2.0], dtype=torch.float64), torch.tensor([3.5], dtype=torch.float64)
    k = np.arange(200)
    shares, others = stats.poisson.logpmf(k, 2.0), stats.poisson.logpmf(k, 3.5)
    expected = float((np.exp(shares) * (shares - others)).sum())
    assert float(KIND.soft_loss(student.log(), teacher.log())) == pytest.approx(expected, rel=1e-6)
    assert float(KIND.soft_loss(teacher.log(), teacher.log())) == pytest.approx(0, abs=1e-12)


def test_one_teacher_of_several_predicts_their_mean_rate():
    outputs = [torch.tensor([0.5, -3.0]), torch.tensor([1.5, -200.0])]
    mean = torch.stack([KIND.predict(output) for output in outputs]).mean(0)
    torch.testing.assert_close(KIND.predict(KIND.average(outputs)), mean)


@pytest.mark.parametrize("output", [-1e30, -90.0, 90.0, 1e30])
def test_no_output_gives_a_rate_that_is_not_finite_or_negative(output):
    rate = KIND.predict(torch.tensor([output]))
    assert torch.isfinite(rate).all() and (rate >= 0).all()


def test_an_output_far_too_high_has_a_finite_way_back():
    outputs = torch.tensor([MOST + 70.0], requires_grad=True)
    (slope,) = torch.autograd.grad(KIND.loss(outputs, torch.tensor([1.0])).sum(), outputs)
    assert torch.isfinite(slope).all() and float(slope) > 0


@pytest.mark.parametrize("soft", [False, True])
def test_the_loss_of_counts_without_a_unit_is_least_where_they_are_predicted(soft):
    count = torch.tensor([3e12], dtype=torch.float64)
    outputs = torch.linspace(-50, 90, 2801, dtype=torch.float64)
    losses = [KIND.soft_loss(o, count.log()) if soft else KIND.loss(o, count) for o in outputs.split(1)]
    best = outputs[int(torch.stack(losses).argmin())]
    assert float(KIND.predict(best)) == pytest.approx(3e12, rel=0.03)


def test_the_deviance_is_that_of_scikit_learn():
    metric = METRICS["poisson_deviance"]
    assert metric(*tensors()) == pytest.approx(mean_poisson_deviance(COUNTS, RATES))
    assert metric.trivial(tensors()[1]) == pytest.approx(mean_poisson_deviance(COUNTS, np.full(200, COUNTS.mean())))
    assert metric.skill(metric(tensors()[1], tensors()[1]), 1.0) == pytest.approx(1, abs=1e-5)
    same_as_leaving_out(metric, *tensors())


def test_the_deviance_of_counts_that_are_all_0_is_defined():
    zeros = torch.zeros(5)
    assert METRICS["poisson_deviance"].trivial(zeros) == pytest.approx(0, abs=1e-6)
    assert METRICS["poisson_deviance"](torch.full((5,), 0.5), zeros) == pytest.approx(1.0)


@pytest.mark.parametrize("wrong", [-1.0, 2.5])
def test_what_is_no_count_is_refused_with_its_remedy(wrong):
    with pytest.raises(UserError, match=rf"no counts, such as {wrong:g}.*state the kind regression"):
        pt.Rows.from_labels(torch.zeros(2, 1), {"n": torch.tensor([3.0, wrong])}, [Task("n", kind="count")])


def test_training_finds_what_a_poisson_regression_finds():
    x = np.random.default_rng(1).normal(size=(400, 2))
    counts = np.random.default_rng(2).poisson(np.exp(0.5 + 0.8 * x[:, 0] - 0.4 * x[:, 1]))
    reference = PoissonRegressor(alpha=0.0, max_iter=1000).fit(x, counts)
    outputs = torch.nn.Linear(2, 1, dtype=torch.float64)
    optimizer = torch.optim.LBFGS(outputs.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        found = KIND.loss(outputs(torch.tensor(x))[:, 0], torch.tensor(counts, dtype=torch.float64)).mean()
        found.backward()
        return found

    optimizer.step(loss)
    np.testing.assert_allclose(outputs.weight.detach()[0], reference.coef_, atol=1e-3)
    np.testing.assert_allclose(outputs.bias.detach(), reference.intercept_, atol=1e-3)


@pytest.fixture(scope="module")
def way(tmp_path_factory):
    draw = np.random.default_rng(3)
    a, b = draw.normal(size=(2, 500)).round(4)
    counts = draw.poisson(20 * np.exp(0.5 * a))
    return whole_way(tmp_path_factory.mktemp("count"), {"a": a, "b": b, "target": counts}, "count")


def test_every_command_takes_counts(way):
    assert (way.result["kind"], way.result["metric"], way.result["direction"]) == ("count", "poisson_deviance", "min")
    assert way.result["converged_epoch"] is not None and way.result["kept"] > 0.9
    assert way.result["learned"] and way.result["test"] < 0.4 * way.result["trivial"]
    predicted = way.predictions["target"].to_numpy()
    assert (predicted > 0).all() and 5 < np.median(predicted) < 80  # in counts
    np.testing.assert_allclose(way.exported, predicted, rtol=1e-4)
    np.testing.assert_allclose([row["target"] for row in way.served], predicted[:5], rtol=1e-4)
    assert "poisson_deviance" in way.report
