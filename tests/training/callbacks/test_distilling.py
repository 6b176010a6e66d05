"""Distillation in the loop: what it leaves alone, what it equals, resuming, absent tasks, several architectures."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from polytask import (
    MTLKD,
    AsynchronousConvergence,
    Callback,
    CooperativeDistillation,
    MultiTaskModel,
    OnlineDistillation,
    Rows,
    Task,
    Teacher,
    UserError,
)
from polytask.balancing import BALANCERS
from polytask.models import ARCHITECTURES
from polytask.training import train_teachers
from small_training import (
    INPUTS,
    TASKS,
    Interrupt,
    assert_same_result,
    differences,
    make_model,
    make_rows,
    small_settings,
    train,
)

ROWS, VALIDATION = make_rows(), make_rows(60, seed=1)
QUICK = small_settings(steps=12)


def single(task: Task) -> MultiTaskModel:
    return make_model([task], norm=True)


@pytest.fixture(scope="module")
def teachers() -> dict[str, Teacher]:
    return train_teachers(single, TASKS, train=ROWS, validation=VALIDATION, settings=QUICK)


class Watch(Callback):
    """Every number of the model at every evaluation."""

    name = "watch"

    def __init__(self) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []

    def after_evaluation(self, training, evaluation):
        self.weights.append({name: value.clone() for name, value in training.model.state_dict().items()})


def weights_of(*callbacks, **options):
    watch = Watch()
    train(*callbacks, watch, **options)
    return watch.weights


def scd(teachers, **options):
    """SCD with the weights of MTLKD: features alone."""
    of_features = {"warmup_epochs": 1, "adaptor_lr": 0.01, "beta": 1.0, "kappa": 0.0}
    return CooperativeDistillation(teachers, **of_features | options)


METHODS = {
    "mtlkd": lambda teachers: MTLKD(teachers, kappa=0.5, adaptor_lr=0.01, taps=2, shared_adaptor=3),
    "scd": lambda teachers: scd(teachers, kappa=0.5, phase_end="patience", phase_patience=1),
    "okd": lambda teachers: OnlineDistillation(warmup_epochs=1),
}


@pytest.mark.parametrize("method", METHODS)
def test_the_student_changes_and_everything_stays_finite(method, teachers):
    plain, distilled = weights_of(), weights_of(METHODS[method](teachers))
    assert differences(plain[-1], distilled[-1])
    assert all(bool(value.isfinite().all()) for value in distilled[-1].values())


@pytest.mark.parametrize(
    "nothing",
    [
        lambda teachers: MTLKD(teachers, beta=0.0),
        lambda teachers: scd(teachers, beta=0.0),
        lambda teachers: OnlineDistillation(weight=0.0, task_weighting=False, warmup_epochs=1),
    ],
    ids=["mtlkd", "scd", "okd"],
)
def test_weight_0_is_plain_training_bit_for_bit(nothing, teachers):
    model = make_model(dropout=0.3, norm=True)
    plain = weights_of(model=copy.deepcopy(model))
    assert differences(plain, weights_of(nothing(teachers), model=copy.deepcopy(model))) == []


@pytest.mark.parametrize("similarity", ["tag", "grad_cos"])
def test_measuring_similarity_leaves_no_trace(similarity, teachers):
    model = make_model(dropout=0.3, norm=True)
    plain = weights_of(model=copy.deepcopy(model))
    method = scd(teachers, beta=0.0, similarity=similarity, probe_every=2)
    assert differences(plain, weights_of(method, model=copy.deepcopy(model))) == []
    assert sorted(task for block in method.queued for task in block) == [0, 1, 2, 3]
    measured = method._affinity.statistics.samples if similarity == "tag" else method._cosines[1].min()
    assert measured > 0


def test_a_phase_ends_when_no_task_of_its_block_improves(teachers):
    """The first block is told to have stalled; the second begins at once and has the rest."""
    seen = []

    class Follow(Callback):
        name = "follow"

        def after_backward(self, training, losses):
            seen.append((training.step, tuple(method.on)))

    blocks = [["spam"], ["price", "topic", "click"]]
    options = {"similarity": "given", "matrix": np.eye(4), "blocks": blocks, "schedule": "exclusive"}
    method = scd(teachers, **options, phase_end="patience", phase_patience=1)
    model = make_model()
    settings = {"steps": 200, "evaluate_every": 5, "learning_rate": 1e-9}  # nothing improves
    train(method, Follow(), model=model, settings=settings)
    first = [step for step, on in seen if on == (0,)]
    second = [step for step, on in seen if on == (1,)]
    assert 0 < len(first) <= 10 and 0 < len(second) <= 10
    assert second[0] == first[-1] + 1
    assert {on for step, on in seen if step > second[-1]} == {(0, 1)}


def test_one_block_is_mtlkd_bit_for_bit(teachers):
    one = scd(teachers, blocks=1, warmup_epochs=0, adaptor_lr=0.1)
    assert differences(weights_of(MTLKD(teachers)), weights_of(one)) == []


def test_the_queue_and_its_phases_are_followed(teachers, tmp_path):
    seen = []

    class Follow(Callback):
        name = "follow"

        def after_backward(self, training, losses):
            seen.append((training.step, dict(method.on)))

    matrix = np.eye(4)
    method = scd(teachers, similarity="given", matrix=matrix, blocks=[["spam"], ["price", "topic", "click"]],
                 schedule="exclusive", final=0.2)  # fmt: skip
    train(method, Follow())
    assert [on for step, on in seen if step < 5] == [{}] * 5
    sizes = [len(block) for block in method.queued]
    first = 5 + round(27 * sizes[0] / 4)
    assert {tuple(on) for step, on in seen if 5 <= step < first} == {(0,)}
    assert {tuple(on) for step, on in seen if first <= step < 32} == {(1,)}
    assert {tuple(on) for step, on in seen if step >= 32} == {(0, 1)}


@pytest.mark.parametrize("indicator", ["gap", "teacher_deficit", "speed", "loss_ratio"])
@pytest.mark.parametrize("similarity", ["cka", "rsa"])
def test_every_indicator_and_similarity(indicator, similarity, teachers):
    method = scd(teachers, indicator=indicator, similarity=similarity, supervised="released")
    train(method)
    assert sorted(task for block in method.queued for task in block) == [0, 1, 2, 3]


@pytest.mark.parametrize("method", METHODS)
def test_teachers_do_not_change(method, teachers):
    before = {name: (teacher.features.clone(), teacher.outputs.clone()) for name, teacher in teachers.items()}
    train(METHODS[method](teachers))
    for name, teacher in teachers.items():
        assert torch.equal(before[name][0], teacher.features) and torch.equal(before[name][1], teacher.outputs)


def test_recording_a_teacher_changes_neither_weights_nor_buffers_nor_modes():
    model = make_model(norm=True)
    model.encoder[0].eval()
    before, modes = copy.deepcopy(model.state_dict()), [part.training for part in model.modules()]
    teacher = Teacher.from_model(model, TASKS[2], ROWS)
    assert differences(dict(before), dict(model.state_dict())) == []
    assert modes == [part.training for part in model.modules()]
    model.eval()
    torch.testing.assert_close(teacher.outputs, model(ROWS.inputs)["topic"])
    assert torch.equal(teacher.features, model.features(ROWS.inputs))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stop", [3, 19])
def test_a_resumed_training_is_the_uninterrupted_one_bit_for_bit(method, stop, teachers, tmp_path):
    def run(folder, step=None):
        options = {"model": make_model(dropout=0.2), "train": make_rows(missing=0.3), "folder": folder}
        return train(Interrupt(step), METHODS[method](teachers), settings={"checkpoint_seconds": 0.0}, **options)

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "again", stop)
    assert_same_result(whole, run(tmp_path / "again"))


def test_adaptors_are_dropped_at_the_end(teachers):
    result = train(MTLKD(teachers))
    assert result.callbacks["mtlkd"] == {"adaptors": None}
    assert not any("adaptor" in name for name in result.model.state_dict())


def test_teachers_with_features_of_different_sizes(teachers):
    wide = Teacher.from_module(nn.Linear(INPUTS, 11), ROWS)
    mixed = {**teachers, "price": wide, "click": wide}
    assert differences(weights_of(MTLKD(teachers))[-1], weights_of(MTLKD(mixed))[-1])


@pytest.mark.parametrize("sharing", ARCHITECTURES)
@pytest.mark.parametrize("method", ["mtlkd", "scd"])
def test_every_architecture_can_be_distilled_into(sharing, method, teachers):
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(INPUTS, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU())
    model = MultiTaskModel(encoder, TASKS, sharing=sharing)
    distiller = MTLKD(teachers) if method == "mtlkd" else METHODS[method](teachers)  # one tap fits all of them
    plain, found = (weights_of(*c, model=copy.deepcopy(model)) for c in ((), (distiller,)))
    assert differences(plain[-1], found[-1])


@pytest.mark.parametrize("sharing", ["mmoe", "hard"])
def test_more_taps_than_shared_stages_are_refused(sharing, teachers):
    encoder = nn.Sequential(nn.Linear(INPUTS, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU())
    with pytest.raises(UserError, match="mtlkd: taps=3 needs as many stages"):
        train(MTLKD(teachers, taps=3), model=MultiTaskModel(encoder, TASKS, sharing=sharing))


def test_a_second_tap_reaches_the_stages_before_the_last(teachers):
    """With SGD the first layer gets more gradient from two taps; the encoder is left without hooks."""
    settings = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 1.0, "steps": 1, "evaluate_every": 1}

    def first_layer(taps):
        torch.manual_seed(0)
        model = MultiTaskModel(nn.Sequential(nn.Linear(INPUTS, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh()), TASKS)
        weights = weights_of(MTLKD(teachers, taps=taps), model=model, settings=settings)[-1]
        assert not any(module._forward_hooks for module in model.modules())
        return weights

    one, two = first_layer(1), first_layer(2)
    assert differences(one, two) and all("encoder.0" in name for name in differences(one, two))


@pytest.mark.parametrize("method", ["mtlkd", "scd"])
def test_bf16_is_close_to_float32_and_adaptors_stay_in_float32(method, teachers):
    seen = []

    class Look(Callback):
        name = "look"

        def after_backward(self, training, losses):
            adaptors = distiller.adaptors
            seen.append(adaptors is None or {p.dtype for p in adaptors.parameters} == {torch.float32})

    found = []
    for precision in ("32", "bf16"):
        distiller = METHODS[method](teachers)
        found.append(weights_of(distiller, Look(), settings={"precision": precision, "device": "cpu"})[-1])
    assert all(seen) and seen
    plain = weights_of(settings={"precision": "bf16", "device": "cpu"})[-1]
    for name, exact in found[0].items():
        if exact.is_floating_point():
            assert found[1][name].dtype == torch.float32
            torch.testing.assert_close(found[1][name], exact, rtol=0.2, atol=0.1)
    assert differences(plain, found[1])


def test_features_far_beyond_half_precision_do_not_overflow(teachers):
    huge = {name: Teacher(1e6 * teacher.features, teacher.outputs) for name, teacher in teachers.items()}
    weights = weights_of(MTLKD(huge), settings={"precision": "bf16", "device": "cpu"})[-1]
    assert all(bool(value.isfinite().all()) for value in weights.values())


def test_online_distillation_needs_a_common_representation():
    encoder = nn.Sequential(nn.Linear(INPUTS, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU())
    with pytest.raises(UserError, match="sharing 'mmoe' has none"):
        train(OnlineDistillation(), model=MultiTaskModel(encoder, TASKS, sharing="mmoe"))


@pytest.mark.parametrize("balancer", ["dwa", "gradnorm", "upgrad", "famo", "uw"])
@pytest.mark.parametrize("gradients", [None, "representation", "exact"])
def test_the_term_is_added_whatever_the_balancer(balancer, gradients, teachers):
    """One SGD step with the term differs from one without by its gradient, whoever balances the losses."""
    method = BALANCERS[balancer]
    if gradients and gradients not in getattr(method, "sources", ()):
        pytest.skip("has no such gradients")
    options = {"gradients": gradients} if gradients else {}
    settings = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 1.0, "steps": 1, "evaluate_every": 1}
    start = dict(make_model().state_dict())
    plain = weights_of(balancer=method(**options), settings=settings)[-1]
    found = weights_of(MTLKD(teachers), balancer=method(**options), settings=settings)[-1]
    equal = weights_of(settings=settings)[-1]
    alone = weights_of(MTLKD(teachers), settings=settings)[-1]
    for name in start:
        torch.testing.assert_close(found[name] - plain[name], alone[name] - equal[name], rtol=1e-4, atol=1e-5)
    assert differences(plain, found)


def test_a_distilled_task_can_converge_and_keep_its_peak(teachers):
    convergence = AsynchronousConvergence(patience=1, min_evaluations=2, tail=2)
    result = train(MTLKD(teachers), convergence)
    assert any(task.converged_epoch is not None for task in result.tasks.values())


def test_the_adaptor_of_a_task_without_rows_in_a_batch_is_left_alone(teachers):
    labels = ROWS.targets.clone()
    labels[:, 1] = math.nan
    labels[0, 1] = 0.5
    seen = {}

    class Look(Callback):
        name = "look"

        def before_step(self, training, batch):
            seen.setdefault("before", []).append(method.adaptors.taps[0].weight.detach().clone())
            seen.setdefault("there", []).append(0 in batch.ids)

    method = MTLKD(teachers, unlabelled=False)
    train(method, Look(), train=Rows.from_matrix(ROWS.inputs, labels))
    for old, new, there in zip(seen["before"], seen["before"][1:], seen["there"], strict=False):
        assert torch.equal(old[1], new[1]) == (not there)
        assert not torch.equal(old[0], new[0])


def test_tasks_with_disjoint_rows_are_distilled_on_their_own_rows_only(teachers):
    labels = ROWS.targets.clone()
    labels[:48, :2] = math.nan
    labels[48:, 2:] = math.nan
    rows = Rows.from_matrix(ROWS.inputs, labels)
    rows = Rows(rows.inputs, rows.targets, rows.observed, (torch.arange(96) >= 48).long())
    changed = dict(teachers)
    for name, elsewhere in (("spam", slice(0, 48)), ("topic", slice(48, 96))):
        features = teachers[name].features.clone()
        features[elsewhere] = torch.randn(48, features.shape[1])
        changed[name] = Teacher(features, teachers[name].outputs)
    assert differences(weights_of(MTLKD(teachers), train=rows), weights_of(MTLKD(changed), train=rows)) == []
    everywhere = [weights_of(MTLKD(t, unlabelled=True), train=rows) for t in (teachers, changed)]
    assert differences(*everywhere)


def test_outputs_alone_from_a_table_of_predictions():
    ids = [f"r{number}" for number in range(96)]
    tables = {
        "spam": dict.fromkeys(ids, 0.9),
        "price": dict.fromkeys(ids, 2.0),
        "topic": {row: [0.2, 0.5, 0.3] for row in ids},
        "click": dict.fromkeys(ids, 0.1),
    }
    brought = {task.name: Teacher.from_predictions(task, tables[task.name], ids) for task in TASKS}
    torch.testing.assert_close(brought["topic"].outputs[0].softmax(0), torch.tensor([0.2, 0.5, 0.3]))
    found = weights_of(MTLKD(brought, features=False, kappa=1.0))
    assert differences(weights_of()[-1], found[-1])
    with pytest.raises(UserError, match="no prediction for 1 of 97 rows, first 'new'"):
        Teacher.from_predictions(TASKS[0], tables["spam"], [*ids, "new"])


def test_teachers_are_used_again_if_they_fit_and_refused_if_not(tmp_path):
    def teach(rows=ROWS, **options):
        settings = small_settings(steps=8, **options)
        parts = {"train": rows.only_tasks([0, 1]), "validation": VALIDATION.only_tasks([0, 1])}
        return train_teachers(single, TASKS[:2], **parts, settings=settings, folder=tmp_path)

    first = teach()
    stamp = (tmp_path / "0" / "result.safetensors").stat().st_mtime_ns
    again = teach()
    assert (tmp_path / "0" / "result.safetensors").stat().st_mtime_ns == stamp
    assert torch.equal(first["spam"].features, again["spam"].features)
    assert first["spam"].level == again["spam"].level and len(first["spam"].losses) == 2
    other = Rows(ROWS.inputs + 1, ROWS.targets, ROWS.observed)
    for bad in ({"rows": other}, {"learning_rate": 0.5}):
        with pytest.raises(UserError, match="made from other data"):
            teach(**bad)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda t: MTLKD({}), "none for task 'spam'"),
        (lambda t: MTLKD({**t, "spam": Teacher(torch.zeros(3, 2))}), "recorded for 3 rows, the training has 96"),
        (lambda t: MTLKD({**t, "spam": Teacher(outputs=torch.zeros(96))}), "has no features"),
        (lambda t: MTLKD(t, beta=-1.0), "beta must be at least 0"),
        (lambda t: MTLKD(t, beta={"span": 1.0}), "'span' is not a task"),
        (lambda t: MTLKD(t, features=False), "nothing would be distilled"),
        (lambda t: scd(t, order="complex"), "did you mean 'complex_first'"),
        (lambda t: scd(t, similarity="given"), "a matrix go together"),
        (lambda t: scd(t, blocks=[["spam"], ["pric"]]), "'pric' is not a task"),
        (lambda t: scd({**t, "spam": Teacher(torch.zeros(96, 2))}), "needs `level` of the teacher of 'spam'"),
        (lambda t: OnlineDistillation(per_layer="max"), "per_layer"),
        (lambda t: OnlineDistillation(temperature=0.0), "temperature must be more than 0"),
    ],
)
def test_bad_settings_are_refused(make, message, teachers):
    with pytest.raises(UserError, match=message):
        train(make(teachers))


def test_online_teachers_learn_sets_of_labels_and_weigh_samples():
    """Weights of 0 leave nothing but the first half to learn from, for students and teachers alike."""
    tasks = [TASKS[0], Task("topics", kind="multilabel", classes=("a", "b"))]
    rows = make_rows()
    labels = {"spam": rows.targets[:, 0], "topics": (rows.inputs[:, :2] > 0).float()}
    every = Rows.from_labels(rows.inputs, labels, tasks)
    weights = (torch.arange(len(every)) < 48).float()
    changed = {name: torch.where((weights > 0).view(-1, *[1] * (value.ndim - 1)), value, 1 - value)
               for name, value in labels.items()}  # fmt: skip
    runs = []
    for targets in (labels, changed):
        model = make_model(tasks)
        result = train(OnlineDistillation(), model=model, validation=every,
                       train=Rows.from_labels(rows.inputs, targets, tasks).with_weights(weights))  # fmt: skip
        runs.append([evaluation.validation for evaluation in result.history])
    assert runs[0] == runs[1]
