"""Metrics of a model on labelled rows."""

import math

import pytest
import torch
from torch import nn

from polytask import MultiTaskModel, Rows, Task, UserError, evaluate, task_estimate
from polytask.training import evaluation as module
from polytask.training.evaluation import eval_mode, task_outputs, trivial_levels
from small_training import TASKS, make_model, make_rows


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_metrics_are_those_of_each_task_on_its_labelled_rows(missing):
    model, rows = make_model(), make_rows(missing=missing)
    values, outputs = evaluate(model, rows), model(rows.inputs)
    for position, task in enumerate(TASKS):
        known = torch.ones(len(rows), dtype=torch.bool) if rows.observed is None else rows.observed[:, position]
        predictions = task.definition.predict(outputs[task.name].detach())[known]
        expected = task.metric_definition(predictions, rows.targets[known, position])
        assert values[task.name] == pytest.approx(expected, abs=1e-6)


def test_many_rows_are_evaluated_in_parts(monkeypatch):
    model, rows = make_model(), make_rows(50)
    whole = task_outputs(model, rows, [2, 0])
    monkeypatch.setattr(module, "rows_at_once", lambda inputs: 7)
    for one, other in zip(task_outputs(model, rows, [2, 0]), whole, strict=True):
        torch.testing.assert_close(one, other)
    assert [output.shape for output in whole] == [(50, 3), (50,)]


def test_evaluation_leaves_modes_buffers_gradients_and_random_state_alone():
    model, rows = make_model(norm=True, dropout=0.5), make_rows()
    model.train()
    model.encoder[1].eval()
    modes = [part.training for part in model.modules()]
    before, random = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    assert evaluate(model, rows) == evaluate(model, rows)
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_modes_come_back_after_a_failure():
    model = make_model(dropout=0.5)
    with pytest.raises(KeyError), eval_mode(model):
        assert not model.training
        raise KeyError
    assert all(part.training for part in model.modules())


def constant_model(task: Task, output: float) -> MultiTaskModel:
    model = MultiTaskModel(nn.Linear(1, 1), [task])
    model.heads.wide.weight.data.zero_()
    model.heads.wide.bias.data.fill_(output)
    return model


def test_errors_of_a_regression_are_in_the_units_of_its_target():
    values = torch.tensor([10.0, 30.0, 50.0, 70.0])
    for metric, expected in (("mae", 20.0), ("rmse", math.sqrt(500.0)), ("r2", 0.0)):
        task = Task("price", kind="regression", metric=metric, center=40.0, scale=5.0)
        rows = Rows.from_labels(torch.zeros(4, 1), {"price": values}, [task])
        assert evaluate(constant_model(task, 0.0), rows)["price"] == pytest.approx(expected)
        trivial = trivial_levels([task], rows)["price"]
        assert trivial == pytest.approx(expected)


def test_a_task_without_label_or_with_one_class_has_no_value():
    tasks = [Task("a"), Task("b")]
    rows = Rows.from_labels(torch.zeros(3, 5), {"a": torch.ones(3)}, tasks)
    values = evaluate(make_model(tasks), rows)
    assert math.isnan(values["a"])
    assert math.isnan(values["b"])
    assert trivial_levels(tasks, rows)["a"] == 0.5
    assert math.isnan(trivial_levels(tasks, rows)["b"])


def test_rows_go_to_the_device_of_the_model():
    model, rows = make_model().to("meta"), make_rows(30)
    outputs = task_outputs(model, rows, range(4))
    assert {output.device.type for output in outputs} == {"meta"}


@pytest.mark.parametrize("task", [Task("a", "regression"), Task("a", "binary")])
def test_an_estimate_takes_the_column_of_a_head_with_one_output(task):
    targets = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])
    outputs = torch.tensor([-1.0, 2.0, 0.5, -0.5, 1.0])
    assert task_estimate(task, outputs[:, None], targets) == task_estimate(task, outputs, targets)


def test_outputs_that_do_not_fit_the_targets_are_refused():
    with pytest.raises(UserError, match=r"task_estimate: 'a' is a binary task.*expected outputs of shape \[4\]"):
        task_estimate(Task("a", "binary"), torch.zeros(4, 2), torch.ones(4))
