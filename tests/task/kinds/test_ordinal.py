"""Classes in an order: logits of going on to the next one."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from influences import same_as_leaving_out
from polytask.data import infer_targets
from polytask.errors import UserError
from polytask.task import KINDS, METRICS, Task
from polytask.task.kinds.ordinal import median_class
from whole_way import whole_way

KIND = KINDS["ordinal"]
STARS = Task("stars", kind="ordinal", classes=("1", "2", "3", "4", "5"))


def outputs(seed: int = 0, rows: int = 40) -> torch.Tensor:
    return torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def targets(rows: int = 40) -> torch.Tensor:
    return torch.randint(0, 5, (rows,), generator=torch.Generator().manual_seed(9)).double()


def test_four_logits_make_five_probabilities():
    assert STARS.width == 4
    torch.testing.assert_close(KIND.predict(outputs()).sum(-1), torch.ones(40, dtype=torch.float64))


def test_the_loss_is_the_sum_of_binary_losses_over_the_classes_that_were_reached():
    found, y = outputs(), targets()
    reached = torch.arange(4) <= y[:, None]
    binary = KINDS["binary"].loss(found, (y[:, None] > torch.arange(4)).double())
    torch.testing.assert_close(KIND.loss(found, y), torch.where(reached, binary, 0.0).sum(-1))


def test_the_loss_is_the_negative_log_likelihood():
    shares = KIND.predict(outputs()).gather(1, targets().long()[:, None])[:, 0]
    torch.testing.assert_close(KIND.loss(outputs(), targets()), -shares.log())


def test_losses_of_several_tasks_are_those_of_each_task():
    both = torch.stack([outputs(), outputs(1)], 1)
    losses = KIND.loss(both, targets()[:, None].expand(40, 2))
    torch.testing.assert_close(losses[:, 1], KIND.loss(outputs(1), targets()))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_soft_loss_is_a_divergence(temperature):
    student = outputs().requires_grad_()
    same = KIND.soft_loss(student, outputs(), temperature)
    (slope,) = torch.autograd.grad(same.sum(), student)
    torch.testing.assert_close(same.detach(), torch.zeros(40, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-12, rtol=0)
    assert (KIND.soft_loss(outputs(), outputs(1), temperature) > 0).all()


def test_outputs_of_probabilities_are_their_inverse_and_finite_for_sure_ones():
    shares = KIND.predict(outputs())
    torch.testing.assert_close(KIND.predict(KIND.outputs_of(shares)), shares)
    assert torch.isfinite(KIND.outputs_of(torch.eye(5))).all()
    assert torch.equal(KIND.labels(KIND.predict(KIND.outputs_of(torch.eye(5)))), torch.arange(5))


@pytest.mark.parametrize("size", [-1e4, 1e4])
def test_losses_of_huge_outputs_are_finite(size):
    assert torch.isfinite(KIND.loss(torch.full((5, 4), size), torch.arange(5.0))).all()


def test_the_predicted_class_is_the_median():
    assert median_class(torch.tensor([[0.4, 0.0, 0.6], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25]])).tolist() == [2, 1, 0]


def test_metrics_are_those_of_the_median():
    shares, y = KIND.predict(outputs(2, 300)), targets(300)
    median = median_class(shares)
    values = {name: STARS.__class__("s", "ordinal", STARS.classes, metric=name).metric_definition(shares, y)
              for name in ("quadratic_kappa", "rank_mae", "accuracy")}  # fmt: skip
    assert values["quadratic_kappa"] == pytest.approx(cohen_kappa_score(y, median, weights="quadratic"))
    assert values["rank_mae"] == pytest.approx(mean_absolute_error(y, median))
    assert values["accuracy"] == pytest.approx(float((median == y).double().mean()))


@pytest.mark.parametrize("name", ["quadratic_kappa", "rank_mae"])
def test_a_perfect_prediction_has_skill_one_and_a_constant_one_none(name):
    metric, y = METRICS[name], targets()
    trivial = metric.trivial(y)
    assert metric.skill(metric(torch.eye(5)[y.long()], y), trivial) == pytest.approx(1)
    constant = torch.eye(5)[y.median().long()].expand(40, 5)
    assert metric(constant, y) == pytest.approx(trivial, abs=1e-6)


@pytest.mark.parametrize("name", ["quadratic_kappa", "rank_mae"])
def test_influence_is_that_of_leaving_one_row_out(name):
    y = targets(240)
    same_as_leaving_out(METRICS[name], KIND.predict(outputs(3, 240) + (y[:, None] - 2) / 2), y)


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        ([5, 1, 3, 1, 3, 5], ("1", "3", "5")),
        ([10, 9, 8.5] * 2, ("8.5", "9", "10")),
        (["10 high", "2 low", "3 middle"] * 2, ("2 low", "3 middle", "10 high")),
    ],
)
def test_classes_are_in_the_order_of_their_numbers(cells, classes):
    (found,) = infer_targets(pa.table({"s": cells}), where="t.csv", targets=["s"], kinds={"s": "ordinal"})
    assert found.task.classes == classes
    assert found.reason == f"3 classes in order, {classes[0]} to {classes[-1]}, kind as stated"


@pytest.mark.parametrize("cells", [["low", "high", "low", "high"], ["1 a", "1 b"] * 2])
def test_words_without_an_order_are_refused(cells):
    with pytest.raises(UserError, match=r"target 's': the order of .* is not known.*state the kind multiclass"):
        infer_targets(pa.table({"s": cells}), where="t.csv", targets=["s"], kinds={"s": "ordinal"})


def test_a_rare_class_is_dropped_not_merged():
    cells = [1, 2, 3] * 3 + [4]
    (found,) = infer_targets(pa.table({"s": cells}), where="t.csv", targets=["s"], kinds={"s": "ordinal"}, rare="merge")
    assert found.task.classes == ("1", "2", "3") and found.renamed == {"4": ""}


@pytest.fixture(scope="module")
def way(tmp_path_factory):
    draw = np.random.default_rng(3)
    a, b = draw.normal(size=(2, 300)).round(4)
    stars = 1 + np.digitize(a + 0.2 * draw.normal(size=300), [-1.0, -0.3, 0.3, 1.0])
    return whole_way(tmp_path_factory.mktemp("ordinal"), {"a": a, "b": b, "target": stars}, "ordinal")


def test_every_command_takes_ordered_classes(way):
    assert (way.result["kind"], way.result["metric"]) == ("ordinal", "quadratic_kappa")
    assert way.result["converged_epoch"] is not None and way.result["kept"] > 0.9
    assert way.result["learned"] and way.result["test"] > 0.6
    columns = [way.predictions[f"target_p_{star}"].to_numpy() for star in range(1, 6)]
    shares = torch.tensor(np.stack(columns, 1))
    torch.testing.assert_close(shares.sum(1), torch.ones(300, dtype=shares.dtype), atol=1e-5, rtol=0)
    assert way.predictions["target"].cast("int64").to_pylist() == (median_class(shares) + 1).tolist()
    np.testing.assert_allclose(way.exported, shares, atol=1e-4)
    assert [row["target"] for row in way.served] == [str(cell) for cell in way.predictions["target"].to_pylist()[:5]]
    assert "quadratic_kappa" in way.report
