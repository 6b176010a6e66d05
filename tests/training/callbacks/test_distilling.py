"""Distillation in the loop: what it leaves alone, what it equals, resuming, absent tasks, several architectures."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from polytask import (
    MTLKD,
    AsynchronousConvergence,
    Callback,
    MultiTaskModel,
    OnlineDistillation,
    Rows,
    Teacher,
    UserError,
)
from polytask.balancing import BALANCERS
from polytask.models import ARCHITECTURES
from small_distillation import METHODS, ROWS, small_scd, teachers, two_layers, weights_of
from small_training import (
    INPUTS,
    RARE,
    TASKS,
    Interrupt,
    assert_same_result,
    differences,
    make_model,
    make_rows,
    train,
)


@pytest.mark.parametrize("method", METHODS)
def test_the_student_changes_and_everything_stays_finite(method):
    plain, distilled = weights_of(), weights_of(METHODS[method]())
    assert differences(plain[-1], distilled[-1])
    assert all(bool(value.isfinite().all()) for value in distilled[-1].values())


@pytest.mark.parametrize(
    "nothing",
    [
        lambda: MTLKD(teachers(), beta=0.0),
        lambda: small_scd(beta=0.0),
        lambda: OnlineDistillation(weight=0.0, task_weighting=False, warmup_epochs=1),
    ],
    ids=["mtlkd", "scd", "okd"],
)
def test_weight_0_is_plain_training_bit_for_bit(nothing):
    model = make_model(dropout=0.3, norm=True)
    plain = weights_of(model=copy.deepcopy(model))
    assert differences(plain, weights_of(nothing(), model=copy.deepcopy(model))) == []


def test_features_in_every_third_step_have_three_times_the_weight():
    """SGD: of three steps two are plain, and the other has three times the term."""
    settings = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.1, "evaluate_every": 1, "steps": 4}
    plain = weights_of(settings=settings)
    seldom = weights_of(MTLKD(teachers(), every=3), settings=settings)
    thrice = weights_of(MTLKD(teachers(), beta=3.0), settings=settings)
    assert differences(seldom[0], thrice[0]) == [] and differences(seldom[0], plain[0])
    method = MTLKD(teachers(), every=3)

    class Look(Callback):
        name = "look"

        def __init__(self):
            self.seen = []

        def after_backward(self, training, losses):
            self.seen.append(method.adaptors.taps[0].weight.detach().clone())

    look = Look()
    train(look, method, settings=settings)  # before the adaptors' own update of the step
    changed = [bool(differences(one, other)) for one, other in zip(look.seen, look.seen[1:], strict=False)]
    assert changed == [True, False, False]


@pytest.mark.parametrize("method", METHODS)
def test_teachers_do_not_change(method):
    before = {name: (teacher.features.clone(), teacher.outputs.clone()) for name, teacher in teachers().items()}
    train(METHODS[method]())
    for name, teacher in teachers().items():
        assert torch.equal(before[name][0], teacher.features) and torch.equal(before[name][1], teacher.outputs)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stop", [3, 19])
def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(method, stop, tmp_path):
    def run(folder, step=None):
        options = {"model": make_model(dropout=0.2), "train": make_rows(missing=0.3), "folder": folder}
        seconds = RARE if step is None else 0.0
        return train(Interrupt(step), METHODS[method](), settings={"checkpoint_seconds": seconds}, **options)

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "again", stop)
    assert_same_result(whole, run(tmp_path / "again"))


def test_adaptors_are_dropped_at_the_end():
    result = train(MTLKD(teachers()))
    assert result.callbacks["mtlkd"] == {"adaptors": None}
    assert not any("adaptor" in name for name in result.model.state_dict())


def test_teachers_with_features_of_different_sizes():
    wide = Teacher.from_module(nn.Linear(INPUTS, 11), ROWS)
    mixed = {**teachers(), "price": wide, "click": wide}
    assert differences(weights_of(MTLKD(teachers()))[-1], weights_of(MTLKD(mixed))[-1])


@pytest.mark.parametrize("sharing", ARCHITECTURES)
@pytest.mark.parametrize("method", ["mtlkd", "scd"])
def test_every_architecture_can_be_distilled_into(sharing, method):
    model = two_layers(sharing)
    distiller = MTLKD(teachers()) if method == "mtlkd" else METHODS[method]()  # one tap fits all of them
    plain, found = (weights_of(*c, model=copy.deepcopy(model)) for c in ((), (distiller,)))
    assert differences(plain[-1], found[-1])


@pytest.mark.parametrize("sharing", ["mmoe", "hard"])
def test_more_taps_than_shared_stages_are_refused(sharing):
    with pytest.raises(UserError, match="mtlkd: taps=3 needs as many stages"):
        train(MTLKD(teachers(), taps=3), model=two_layers(sharing))


def test_a_second_tap_reaches_the_stages_before_the_last():
    """With SGD the first layer gets more gradient from two taps; the encoder is left without hooks."""
    settings = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 1.0, "steps": 1, "evaluate_every": 1}

    def first_layer(taps):
        torch.manual_seed(0)
        model = MultiTaskModel(nn.Sequential(nn.Linear(INPUTS, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh()), TASKS)
        weights = weights_of(MTLKD(teachers(), taps=taps), model=model, settings=settings)[-1]
        assert not any(module._forward_hooks for module in model.modules())
        return weights

    one, two = first_layer(1), first_layer(2)
    assert differences(one, two) and all("encoder.0" in name for name in differences(one, two))


@pytest.mark.parametrize("method", ["mtlkd", "scd"])
def test_bf16_is_close_to_float32_and_adaptors_stay_in_float32(method):
    seen = []

    class Look(Callback):
        name = "look"

        def after_backward(self, training, losses):
            adaptors = distiller.adaptors
            seen.append(adaptors is None or {p.dtype for p in adaptors.parameters} == {torch.float32})

    found = []
    for precision in ("32", "bf16"):
        distiller = METHODS[method]()
        found.append(weights_of(distiller, Look(), settings={"precision": precision, "device": "cpu"})[-1])
    assert all(seen) and seen
    plain = weights_of(settings={"precision": "bf16", "device": "cpu"})[-1]
    for name, exact in found[0].items():
        if exact.is_floating_point():
            assert found[1][name].dtype == torch.float32
            torch.testing.assert_close(found[1][name], exact, rtol=0.2, atol=0.1)
    assert differences(plain, found[1])


def test_features_far_beyond_half_precision_do_not_overflow():
    huge = {name: Teacher(1e6 * teacher.features, teacher.outputs) for name, teacher in teachers().items()}
    weights = weights_of(MTLKD(huge), settings={"precision": "bf16", "device": "cpu"})[-1]
    assert all(bool(value.isfinite().all()) for value in weights.values())


@pytest.mark.parametrize("balancer", ["dwa", "gradnorm", "upgrad", "famo", "uw"])
@pytest.mark.parametrize("gradients", [None, "representation", "exact"])
def test_the_term_is_added_whatever_the_balancer(balancer, gradients):
    """One SGD step with the term differs from one without by its gradient, whoever balances the losses."""
    method = BALANCERS[balancer]
    if gradients and gradients not in getattr(method, "sources", ()):
        pytest.skip("has no such gradients")
    options = {"gradients": gradients} if gradients else {}
    settings = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 1.0, "steps": 1, "evaluate_every": 1}
    start = dict(make_model().state_dict())
    plain = weights_of(balancer=method(**options), settings=settings)[-1]
    found = weights_of(MTLKD(teachers()), balancer=method(**options), settings=settings)[-1]
    equal = weights_of(settings=settings)[-1]
    alone = weights_of(MTLKD(teachers()), settings=settings)[-1]
    for name in start:
        torch.testing.assert_close(found[name] - plain[name], alone[name] - equal[name], rtol=1e-4, atol=1e-5)
    assert differences(plain, found)


def test_a_distilled_task_can_converge_and_keep_its_peak():
    convergence = AsynchronousConvergence(patience=1, min_evaluations=2, tail=2)
    result = train(MTLKD(teachers()), convergence)
    assert any(task.converged_epoch is not None for task in result.tasks.values())


def test_the_adaptor_of_a_task_without_rows_in_a_batch_is_left_alone():
    labels = ROWS.targets.clone()
    labels[:, 1] = math.nan
    labels[0, 1] = 0.5
    seen = {}

    class Look(Callback):
        name = "look"

        def before_step(self, training, batch):
            seen.setdefault("before", []).append(method.adaptors.taps[0].weight.detach().clone())
            seen.setdefault("there", []).append(0 in batch.ids)

    method = MTLKD(teachers(), unlabelled=False)
    train(method, Look(), train=Rows.from_matrix(ROWS.inputs, labels))
    for old, new, there in zip(seen["before"], seen["before"][1:], seen["there"], strict=False):
        assert torch.equal(old[1], new[1]) == (not there)
        assert not torch.equal(old[0], new[0])


def test_tasks_with_disjoint_rows_are_distilled_on_their_own_rows_only():
    labels = ROWS.targets.clone()
    labels[:48, :2] = math.nan
    labels[48:, 2:] = math.nan
    rows = Rows.from_matrix(ROWS.inputs, labels)
    rows = Rows(rows.inputs, rows.targets, rows.observed, (torch.arange(96) >= 48).long())
    changed = dict(teachers())
    for name, elsewhere in (("spam", slice(0, 48)), ("topic", slice(48, 96))):
        features = teachers()[name].features.clone()
        features[elsewhere] = torch.randn(48, features.shape[1])
        changed[name] = Teacher(features, teachers()[name].outputs)
    assert differences(weights_of(MTLKD(teachers()), train=rows), weights_of(MTLKD(changed), train=rows)) == []
    everywhere = [weights_of(MTLKD(t, unlabelled=True), train=rows) for t in (teachers(), changed)]
    assert differences(*everywhere)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MTLKD({}), "none for task 'spam'"),
        (lambda: MTLKD({**teachers(), "spam": Teacher(torch.zeros(3, 2))}), "recorded for 3 rows, the training has 96"),
        (lambda: MTLKD({**teachers(), "spam": Teacher(outputs=torch.zeros(96))}), "has no features"),
        (lambda: MTLKD(teachers(), beta=-1.0), "beta must be at least 0"),
        (lambda: MTLKD(teachers(), beta={"span": 1.0}), "'span' is not a task"),
        (lambda: MTLKD(teachers(), every=0), "every must be a whole number of at least 1"),
        (lambda: MTLKD(teachers(), components=2.5), "components must be a whole number of at least 1, found 2.5"),
        (lambda: MTLKD(teachers(), features=False), "nothing would be distilled"),
        (
            lambda: MTLKD(teachers(), features=False, kappa=1.0, every=2, taps=2),
            r"1\. mtlkd: taps is read with features only(.|\n)*2\. mtlkd: every is read with features only",
        ),
        (lambda: MTLKD(teachers(), temperature=2.0), "temperature is read with kappa above 0 only"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        train(make())
