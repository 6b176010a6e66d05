"""Convergence in a training that somebody else runs."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from polytask import AsynchronousConvergence, Callback, MultiTaskModel, Rows, Task, TrainingSettings, UserError, fit
from polytask.balancing import Equal, UncertaintyWeighting
from polytask.integrations import KeptPeaks
from polytask.integrations.logged import metrics_of
from polytask.uncertainty import Estimate

X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
TASKS = [
    Task("sold", "binary"),
    Task("kind", "multiclass", classes=("a", "b", "c")),
    Task("price", "regression", metric="mae"),
]
TARGETS = {"sold": (X[:, 0] > 0).float(), "kind": X.argmax(1), "price": X.sum(1)}
IDS = torch.arange(40)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.trunk, self.dropout = nn.Linear(3, 8), nn.Dropout(0.5)
        self.heads = nn.ModuleDict({"sold": nn.Linear(8, 1), "kind": nn.Linear(8, 3), "price": nn.Linear(8, 1)})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.dropout(torch.relu(self.trunk(x)))
        outputs = {task: head(features) for task, head in self.heads.items()}
        return {task: values if task == "kind" else values[:, 0] for task, values in outputs.items()}


@pytest.fixture
def make() -> Callable[..., KeptPeaks]:
    def made(**options) -> KeptPeaks:
        options = {"patience": 2, "min_evaluations": 0, "teachers": 1, **options}
        return KeptPeaks(TASKS, lambda model, task: model(X)[task], **options)

    return made


def train(peaks: KeptPeaks, network: Network, values: dict[int, dict[str, float]], targets=TARGETS) -> list[list[str]]:
    """A step before every evaluation, of which the metrics are given."""
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    converged = []
    for step, metrics in values.items():
        torch.manual_seed(step)
        sum(peaks.losses(network(X), targets, IDS).values()).backward()
        optimizer.step()
        optimizer.zero_grad()
        converged.append(peaks.update(step, metrics, network))
    return converged


COURSE = {step: {"sold": sold, "kind": 0.1 * step, "price": 1.0} for step, sold in
          enumerate([0.6, 0.9, 0.8, 0.7, 0.6], 1)}  # fmt: skip


def test_losses_are_the_means_over_labels(make) -> None:
    outputs = {task: values.detach() for task, values in Network().eval()(X).items()}
    found = make().losses(outputs, TARGETS)
    assert found["sold"] == pytest.approx(
        nn.functional.binary_cross_entropy_with_logits(outputs["sold"], TARGETS["sold"])
    )
    torch.testing.assert_close(found["kind"], nn.functional.cross_entropy(outputs["kind"], TARGETS["kind"]))
    torch.testing.assert_close(found["price"], nn.functional.mse_loss(outputs["price"], TARGETS["price"]))
    partly = {"sold": TARGETS["sold"].clone(), "kind": TARGETS["kind"].clone(), "price": torch.full((40,), torch.nan)}
    partly["sold"][::2], partly["kind"][10:] = torch.nan, -100
    partial = make().losses(outputs, partly)
    assert set(partial) == {"sold", "kind"}
    torch.testing.assert_close(partial["kind"], nn.functional.cross_entropy(outputs["kind"][:10], TARGETS["kind"][:10]))
    odd = nn.functional.binary_cross_entropy_with_logits(outputs["sold"][1::2], TARGETS["sold"][1::2])
    torch.testing.assert_close(partial["sold"], odd)


def test_a_converged_task_learns_from_its_best_parameters(make) -> None:
    peaks, network = make(), Network()
    peaks_of = {}
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for step, metrics in COURSE.items():
        sum(peaks.losses(network(X), TARGETS, IDS).values()).backward()
        optimizer.step()
        optimizer.zero_grad()
        peaks_of[step] = network.eval()(X)["sold"].detach()
        network.train()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        converged = peaks.update(step, metrics, network)
        assert converged == (["sold"] if step == 4 else []) + (["price"] if step == 3 else [])
        assert network.training and all(torch.equal(v, before[n]) for n, v in network.state_dict().items())
    assert torch.equal(peaks.soft["sold"].outputs, peaks_of[2])
    outputs = {**network(X), "sold": peaks_of[2].requires_grad_()}
    (gradient,) = torch.autograd.grad(peaks.losses(outputs, TARGETS, IDS)["sold"], outputs["sold"])
    torch.testing.assert_close(gradient, torch.zeros(40), atol=1e-7, rtol=0)  # a binary soft loss keeps its entropy


def test_a_balancer_whose_state_was_loaded_keeps_it() -> None:
    tasks = [Task("a", "regression", weight=2.0), Task("b", "regression")]
    weight = torch.ones((), requires_grad=True)
    saved = UncertaintyWeighting()
    for _ in range(3):
        saved.backward({"a": weight**2, "b": 30 * weight**2})
    loaded = UncertaintyWeighting()
    loaded.load_state_dict(saved.state_dict())
    KeptPeaks(tasks, lambda model, task: X, balancer=loaded)
    assert loaded.steps == 3 and torch.equal(loaded.log_variance, saved.log_variance)
    assert loaded.user_weights.tolist() == [2.0, 1.0]
    KeptPeaks(tasks[::-1], lambda model, task: X, balancer=loaded)
    assert loaded.steps == 0 and loaded.tasks == ["b", "a"]


def test_true_labels_have_no_influence_after_the_switch(make) -> None:
    peaks, network = make(), Network()
    train(peaks, network, COURSE)
    outputs, noise = network.eval()(X), {**TARGETS, "sold": 1 - TARGETS["sold"], "price": torch.randn(40)}
    found, noisy = peaks.losses(outputs, TARGETS, IDS), peaks.losses(outputs, noise, IDS)
    assert found["sold"] == noisy["sold"] and found["price"] == noisy["price"]


def test_direction_and_trivial_level(make) -> None:
    falling = {step: {"price": 2.0 - 0.1 * step} for step in range(1, 8)}
    curve = {step: {**values, "sold": 0.6, "kind": 0.1 * step} for step, values in falling.items()}
    assert not any(train(make(trivial={"sold": 0.6}), Network(), curve))  # mae falls: it improves; sold has not begun


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_it_goes_on_where_it_was(make, stop: int) -> None:
    peaks, network = make(teachers=2), Network()
    first = {step: values for step, values in COURSE.items() if step <= stop}
    rest = {step: values for step, values in COURSE.items() if step > stop}
    train(peaks, network, first)
    resumed, again = make(teachers=2), Network()
    again.load_state_dict(network.state_dict())
    resumed.load_state_dict(peaks.state_dict())
    assert train(peaks, network, rest) == train(resumed, again, rest)
    for one, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert set(resumed.soft) == {"sold", "price"}


def test_mistakes(make) -> None:
    with pytest.raises(UserError, match="kd_weight must be more than 0"):
        make(kd_weight=0.0)
    peaks, network = make(), Network()
    with pytest.raises(UserError, match="no output for task 'sold'"):
        peaks.losses({"sald": torch.zeros(40)}, TARGETS)
    train(peaks, network, COURSE)
    with pytest.raises(UserError, match=r"'sold' has converged.*ids"):
        peaks.losses(network(X), TARGETS)


@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_soft_labels_that_are_not_finite_are_refused(lost: float) -> None:
    outputs = torch.where(torch.arange(40) == 7, lost, X[:, 0])
    peaks = KeptPeaks([Task("y", "regression")], lambda model, name: outputs)
    with pytest.raises(
        UserError, match=r"infer\(model, 'y'\): the outputs of 1 of 40 rows are not finite, first of row 7"
    ):
        peaks.update(1, {"y": 0.5}, Network())


def test_an_infinite_metric_is_refused_and_one_that_is_undefined_is_none() -> None:
    peaks = KeptPeaks([Task("y", "regression")], lambda model, name: X[:, 0])
    assert peaks.update(1, {"y": math.nan}, Network()) == []
    with pytest.raises(
        UserError, match="metric of 'y': expected a finite number, or NaN if it is undefined, found inf"
    ):
        peaks.update(2, {"y": math.inf}, Network())


def test_a_column_of_outputs_is_taken_as_one_output_per_row(make) -> None:
    outputs = {task: values.detach() for task, values in Network().eval()(X).items()}
    columns = {"sold": outputs["sold"][:, None], "price": outputs["price"][:, None]}
    flat, wide = make().losses(outputs, TARGETS), make().losses(columns, {k: TARGETS[k] for k in columns})
    assert wide == {"sold": flat["sold"], "price": flat["price"]}
    with pytest.raises(
        UserError, match=r"'price' is a regression task .*expected outputs of shape \[40\], found \[40, 2\]"
    ):
        make().losses({"price": torch.zeros(40, 2)}, {"price": TARGETS["price"]})


def test_weight_center_and_scale_of_a_task_count() -> None:
    y, outputs = torch.tensor([10.0, 14.0, 6.0]), {"y": torch.zeros(3)}
    task = Task("y", "regression", weight=3.0, center=10.0, scale=4.0)
    infer: Callable = lambda model, name: X[:, 0]  # noqa: E731
    assert KeptPeaks([task], infer).losses(outputs, {"y": y})["y"].item() == pytest.approx(3 * 2 / 3)
    balancer = Equal()  # the balancer applies the weight
    assert KeptPeaks([task], infer, balancer=balancer).losses(outputs, {"y": y})["y"].item() == pytest.approx(2 / 3)
    loss = torch.ones((), requires_grad=True)
    assert balancer.backward({"y": loss * 1.0}).tolist() == [3.0]


def test_modes_extra_state_and_parameters_come_back() -> None:
    class Scaled(nn.Linear):
        def get_extra_state(self) -> dict[str, int]:
            return {"version": 3}

        def set_extra_state(self, state: dict[str, int]) -> None:
            assert state == {"version": 3}

    model = nn.Sequential(nn.BatchNorm1d(3).eval(), Scaled(3, 1))
    peaks = KeptPeaks([Task("a", "regression")], lambda m, t: m(X), patience=1, min_evaluations=0)
    for step, value in enumerate([0.2, 0.9, 0.8]):
        converged = peaks.update(step, {"a": value}, model)
    assert converged == ["a"] and model.training and model[1].training and not model[0].training
    assert peaks.soft["a"].outputs.shape == (40,)


def test_parameters_come_back_when_inference_fails() -> None:
    """Or is interrupted, while the model has those of the peak."""
    model, fails = nn.Linear(3, 1), False

    def infer(model: nn.Module, task: str) -> Tensor:
        if fails:
            raise KeyboardInterrupt
        return model(X)

    peaks = KeptPeaks([Task("a", "regression")], infer, patience=1, min_evaluations=0)
    for step, value in enumerate([0.2, 0.9]):
        peaks.update(step, {"a": value}, model)
    with torch.no_grad():
        model.weight += 1
    now, fails = model.weight.clone(), True
    with pytest.raises(KeyboardInterrupt):
        peaks.update(2, {"a": 0.8}, model)
    assert torch.equal(model.weight, now)


def test_the_balancer_is_told_which_tasks_are_held(make) -> None:
    told = []
    balancer = Equal()
    balancer.task_switched = told.append  # type: ignore[method-assign]
    train(make(balancer=balancer), Network(), COURSE)
    assert told == [2, 0]


def test_kinds_with_several_targets_per_row_converge_too() -> None:
    tasks = [Task("labels", "multilabel", classes=("a", "b")), Task("tags", "tags", classes=("O", "B-x"))]
    net = nn.Linear(3, 2 + 3 * 2)
    split: Callable = lambda model: {"labels": model(X)[:, :2], "tags": model(X)[:, 2:].view(40, 3, 2)}  # noqa: E731
    targets = {"labels": (X[:, :2] > 0).float(), "tags": (X > 0).long()}
    targets["labels"][::2] = torch.nan
    targets["tags"][:, 2] = -100
    peaks = KeptPeaks(tasks, lambda m, t: split(m)[t], patience=1, min_evaluations=0, teachers=1)
    before = peaks.losses(split(net), targets, IDS)
    for step, value in enumerate([0.9, 0.8]):
        peaks.update(step, dict.fromkeys(targets, value), net)
    held = peaks.losses(split(net), targets, IDS)
    assert set(before) == set(held) == {"labels", "tags"}
    assert all(loss > 0.1 for loss in before.values()) and all(abs(loss) < 1e-6 for loss in held.values())


def test_what_would_be_noticed_too_late_is_reported_at_the_first_evaluations(make) -> None:
    peaks, network = make(), Network()
    peaks.losses(network(X), TARGETS)
    with pytest.raises(UserError, match="computed without ids"):
        peaks.update(1, COURSE[1], network)
    with pytest.raises(UserError, match="tail: is no option here"):
        make(tail=3)
    peaks = make()
    peaks.update(1, {"sold": 0.6}, network)
    with pytest.warns(UserWarning, match="no metric so far for kind, price, found sold"):
        peaks.update(2, {"sold": 0.7}, network)


def test_a_step_that_does_not_grow_loses_no_parameters(make) -> None:
    """Lightning leaves its step at 0 where its optimisers are not used."""
    kept, counted = make(), make()
    for peaks, steps in ((kept, [0] * 5), (counted, list(range(5)))):
        network = Network()
        found = [peaks.update(step, metrics, network) for step, metrics in zip(steps, COURSE.values(), strict=True)]
        assert found == [[], [], ["price"], ["sold"], []]
        assert peaks.monitors["sold"].best_step == 1


def test_snapshots_may_lie_in_a_folder(make, tmp_path) -> None:
    one, other = make(), make(folder=tmp_path)
    assert train(one, Network(), COURSE) == train(other, Network(), COURSE)
    assert torch.equal(one.soft["sold"].outputs, other.soft["sold"].outputs)


@pytest.mark.parametrize("patience", [2, 3])
def test_decisions_are_those_of_fit(patience: int) -> None:
    """The same metrics switch the same tasks at the same evaluations, by the same options."""
    tasks = [Task("a"), Task("b")]
    a = [0.5 + 0.4 * min(1, k / 8) for k in range(30)]
    b = [0.51] * 12 + [0.9] * 18
    peaks = KeptPeaks(tasks, lambda model, task: torch.zeros(40), patience=patience)
    model = nn.Linear(1, 1)
    mine = {name: step for step in range(30) for name in peaks.update(step, {"a": a[step], "b": b[step]}, model)}

    class Script(Callback):
        name = "script"

        def after_evaluation(self, training, evaluation) -> None:
            k = len(training.history) - 1
            training.measured |= {"a": Estimate.exact(a[k]), "b": Estimate.exact(b[k])}

    rows = Rows.from_labels(X, {"a": TARGETS["sold"], "b": TARGETS["sold"]}, tasks)
    result = fit(MultiTaskModel(nn.Linear(3, 4), tasks), train=rows, validation=rows,
                 callbacks=[Script(), method := AsynchronousConvergence(patience=patience, tail=50)],
                 settings=TrainingSettings(steps=30, evaluate_every=1))  # fmt: skip
    assert result.steps == 30 and {name: step - 1 for name, step in method.converged_at.items()} == mine


def test_metrics_are_found_by_the_names_that_a_framework_gives_them(make) -> None:
    peaks = make()
    logged = {"val_sold": 0.7, "val_kind": torch.tensor(0.5), "val_price": 1, "lr": 0.1}
    assert metrics_of(peaks, logged, "val_{task}") == {"sold": 0.7, "kind": 0.5, "price": 1.0}
    with pytest.raises(UserError, match=r"val_price not logged in this evaluation, found val_sold, val_kind, lr"):
        metrics_of(peaks, {name: value for name, value in logged.items() if name != "val_price"}, "val_{task}")
    train(peaks, Network(), COURSE)
    assert set(metrics_of(peaks, {"val_kind": 0.5}, "val_{task}")) == {"kind"}  # the others are held
