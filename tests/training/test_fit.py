"""The function that users call: what it accepts, and what it gives."""

import math
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from polytask import Callback, MultiTaskModel, Rows, Task, UserError, evaluate, fit, measure_affinity
from polytask.balancing import DWA, Equal
from small_training import (
    INPUTS,
    TASKS,
    assert_same_result,
    differences,
    make_model,
    make_rows,
    small_settings,
    train,
    tree_of,
)

VALIDATION = make_rows(600, seed=1)


class EveryStep(Callback):
    """Calls ``look(training, batch)`` before every step."""

    name = "every step"

    def __init__(self, look):
        self.look = look

    def before_step(self, training, batch):
        self.look(training, batch)


def test_the_returned_model_is_that_of_the_returned_evaluation_and_in_evaluation_mode():
    result = train(model=make_model(dropout=0.3, norm=True))
    assert not any(part.training for part in result.model.modules())
    values = evaluate(result.model, VALIDATION)
    assert {name: task.validation for name, task in result.tasks.items()} == values
    (chosen,) = [evaluation for evaluation in result.history if evaluation.epoch == result.epoch]
    assert differences(chosen.validation, values) == []


def test_the_peak_is_the_best_value_of_the_history():
    result = train()
    for name, task in result.tasks.items():
        assert task.peak == max(evaluation.validation[name] for evaluation in result.history)
        assert task.kept <= 1
        assert task.converged_epoch is None


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_the_same_call_gives_the_same_result_bit_for_bit(missing):
    runs = [
        train(model=make_model(dropout=0.3), train=make_rows(missing=missing), balancer=DWA(), seed=4) for _ in range(2)
    ]
    assert_same_result(*runs)


def test_seeds_differ():
    assert differences(tree_of(train(seed=1)), tree_of(train(seed=2))) != []


@pytest.mark.parametrize("fails", [False, True])
def test_the_callers_random_numbers_continue(fails):
    def look(training, batch):
        if fails:
            raise KeyError

    model = make_model(dropout=0.3)
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    with pytest.raises(KeyError) if fails else nullcontext():
        train(EveryStep(look), model=model)
    assert torch.equal(torch.rand(4), expected)


def test_measuring_affinity_draws_none_of_the_callers_random_numbers():
    model = make_model()
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    measure_affinity(model, train=make_rows(), settings=small_settings(steps=4))
    assert torch.equal(torch.rand(4), expected)


def test_rows_may_be_given_as_inputs_and_labels():
    inputs = torch.randn(40, INPUTS, generator=torch.Generator().manual_seed(0))
    labels = {"a": (inputs[:, 0] > 0).float(), "b": inputs.sum(1)}
    tasks = [Task("a"), Task("b", kind="regression")]
    rows = Rows.from_labels(inputs, labels, tasks)
    by_rows = train(model=make_model(tasks), train=rows, validation=rows)
    by_labels = train(model=make_model(tasks), train=(inputs, labels), validation=(inputs, labels))
    assert_same_result(by_rows, by_labels)


def test_steps_are_those_of_plain_torch():
    """Adam on the sum of the masked mean losses, written out."""
    rows, drawn, after = make_rows(missing=0.3), [], []

    def look(training, batch):
        drawn.append(batch.ids)
        after.append([parameter.detach().clone() for parameter in training.model.parameters()])

    train(EveryStep(look), train=rows, settings={"steps": 15, "gradient_clip": 0.5})
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for ids, parameters in zip(drawn, after, strict=True):
        torch.testing.assert_close(list(model.parameters()), [nn.Parameter(value) for value in parameters])
        outputs, total = model(rows.inputs[ids]), 0.0
        for position, task in enumerate(TASKS):
            known = rows.observed[ids, position]
            targets = rows.targets[ids, position][known]
            total = total + task.definition.loss(outputs[task.name][known], targets).mean()
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()


def test_logged_losses_are_means_over_the_labels_since_the_last_evaluation():
    rows = make_rows(missing=0.3)
    sums, counts = torch.zeros(4), torch.zeros(4)

    def look(training, batch):
        if training.step < 4:
            outputs = training.model(batch.inputs)
            for position, task in enumerate(TASKS):
                known = batch.observed[:, position]
                losses = task.definition.loss(outputs[task.name][known], batch.targets[known, position])
                sums[position] += losses.sum().detach()
                counts[position] += known.sum()

    result = train(EveryStep(look), train=rows)
    assert list(result.history[0].losses.values()) == pytest.approx((sums / counts).tolist(), rel=1e-5)
    assert list(result.history[0].labels.values()) == counts.tolist()


def test_weights_of_tasks_multiply_their_losses():
    tasks = [Task("a", weight=0.0), Task("b", weight=3.0)]
    model = make_model(tasks)
    before = model.heads.wide.weight.detach().clone()
    result = train(model=model)
    assert torch.equal(result.model.heads.wide.weight[0], before[0])
    assert not torch.equal(result.model.heads.wide.weight[1], before[1])
    assert result.history[-1].weights == {"a": 0.0, "b": 3.0}


def test_training_stops_when_no_task_has_improved_for_its_patience():
    result = train(settings={"steps": 400, "patience": 3})
    assert result.steps < 400
    last = [evaluation.validation for evaluation in result.history[-3:]]
    earlier = [evaluation.validation for evaluation in result.history[:-3]]
    for name in result.tasks:  # an improvement within its standard error does not count
        best = max(values[name] for values in earlier)
        assert max(values[name] for values in last) <= best + result.history[-1].errors[name]


def test_a_last_evaluation_comes_at_the_last_step():
    steps = [evaluation.step for evaluation in train(settings={"steps": 10, "evaluate_every": 4}).history]
    assert steps == [4, 8, 10]


def test_labels_so_rare_that_tasks_are_absent_from_whole_epochs_do_no_harm():
    rows = make_rows(200)
    observed = torch.rand(200, 4, generator=torch.Generator().manual_seed(0)) < 0.02
    observed[0] = True
    rows = Rows(rows.inputs, rows.targets, observed)
    for balancer in (Equal(), DWA()):
        result = train(train=rows, balancer=balancer, settings={"batch_size": 3, "evaluate_every": 2})
        assert all(torch.isfinite(value).all() for value in result.model.state_dict().values())
        assert any(math.isnan(evaluation.losses["click"]) for evaluation in result.history)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_the_head_of_a_task_moves_only_in_steps_with_one_of_its_labels(optimizer):
    rows = make_rows(missing=0.8)
    heads, present = [], []

    def look(training, batch):
        heads.append(training.model.heads.wide.weight.detach().clone())
        present.append(batch.observed.any(0))

    train(EveryStep(look), train=rows, settings={"batch_size": 3, "optimizer": optimizer, "weight_decay": 0.1})
    wide, seen = make_model().heads, set()
    for before, after, labelled in zip(heads, heads[1:], present, strict=False):
        for position in range(4):
            own = wide.task_rows(position)
            assert torch.equal(before[own], after[own]) == (not labelled[position])
            seen.add(bool(labelled[position]))
    assert seen == {True, False}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tasks": [Task("other")]}, r"the model was made for \['spam'"),
        ({"train": make_rows(tasks=[Task("a")])}, r"train: expected one column of targets per task \(4\), found 1"),
        ({"train": VALIDATION.subset(torch.arange(0))}, "train: no rows"),
        (
            {"train": (VALIDATION.inputs, {"spam": torch.ones(600)})},
            "train: no labels for price, topic, click",
        ),
        ({"train": (VALIDATION.inputs, {"spamm": torch.ones(600)})}, "'spamm' is not one of the tasks"),
    ],
)
def test_data_that_do_not_fit_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        fit(make_model(), **{"train": VALIDATION, "validation": VALIDATION, "settings": small_settings(), **options})


def test_without_labels_in_validation_the_last_parameters_are_returned():
    result = fit(make_model(), train=VALIDATION, validation=VALIDATION.subset(torch.arange(0)),
                 settings=small_settings())  # fmt: skip
    assert result.epoch == result.history[-1].epoch > result.history[0].epoch
    assert all(math.isnan(task.validation) for task in result.tasks.values())


def test_inputs_may_be_nested():
    class Two(nn.Module):
        out_features = 4

        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(2, 4), nn.Linear(3, 4)

        def forward(self, inputs):
            left, rest = inputs
            return torch.relu(self.first(left) + self.second(rest["right"]))

    rows = make_rows()
    nested = Rows((rows.inputs[:, :2], {"right": rows.inputs[:, 2:]}), rows.targets, None)
    result = train(model=MultiTaskModel(Two(), TASKS), train=nested, validation=nested)
    assert result.tasks["price"].validation > 0


def test_an_encoder_that_has_been_evaluated_is_trained_with_dropout():
    models = [make_model(dropout=0.4), make_model(dropout=0.4)]
    models[1].encoder.eval()
    assert_same_result(*(train(model=model, settings={"steps": 5}) for model in models))


@pytest.mark.parametrize("learned", [True, False])
def test_what_has_converged_is_judged_as_it_was_then(learned: bool) -> None:
    """Further evaluations of other tasks do not make it doubtful."""
    first = TASKS[0].name
    converged = Callback()
    converged.name, converged.converged_at = "converged", {first: 10}
    converged.monitors = {first: SimpleNamespace(learned=learned)}
    found = train(converged).tasks[first]
    assert found.converged_epoch is not None and found.learned == learned
