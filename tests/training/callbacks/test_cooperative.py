"""Cooperative distillation in the loop: its blocks, its queue, and when their phases begin and end."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from polytask import MTLKD, Callback, CooperativeDistillation, Teacher, UserError
from small_distillation import small_scd, teachers, weights_of
from small_training import differences, make_model, train


@pytest.mark.parametrize("similarity", ["tag", "grad_cos"])
def test_measuring_similarity_leaves_no_trace(similarity):
    model = make_model(dropout=0.3, norm=True)
    plain = weights_of(model=copy.deepcopy(model))
    method = small_scd(beta=0.0, similarity=similarity, probe_every=2)
    assert differences(plain, weights_of(method, model=copy.deepcopy(model))) == []
    assert sorted(task for block in method.queued for task in block) == [0, 1, 2, 3]
    measured = (
        method.similarity.affinity.statistics.samples if similarity == "tag" else method.similarity.cosines[1].min()
    )
    assert measured > 0


def test_a_phase_ends_when_no_task_of_its_block_improves():
    """The first block is told to have stalled; the second begins at once and has the rest."""
    seen = []

    class Follow(Callback):
        name = "follow"

        def after_backward(self, training, losses):
            seen.append((training.step, tuple(method.on)))

    blocks = [["spam"], ["price", "topic", "click"]]
    options = {"similarity": "given", "matrix": np.eye(4), "blocks": blocks, "schedule": "exclusive"}
    method = small_scd(**options, phase_end="patience", phase_patience=1)
    model = make_model()
    settings = {"steps": 200, "evaluate_every": 5, "learning_rate": 1e-30}  # nothing improves
    train(method, Follow(), model=model, settings=settings)
    first = [step for step, on in seen if on == (0,)]
    second = [step for step, on in seen if on == (1,)]
    assert 0 < len(first) <= 10 and 0 < len(second) <= 10
    assert second[0] == first[-1] + 1
    assert {on for step, on in seen if step > second[-1]} == {(0, 1)}


def test_one_block_is_mtlkd_bit_for_bit():
    one = small_scd(blocks=1, warmup_epochs=0, adaptor_lr=0.1)
    assert differences(weights_of(MTLKD(teachers())), weights_of(one)) == []


def test_the_queue_and_its_phases_are_followed(tmp_path):
    seen = []

    class Follow(Callback):
        name = "follow"

        def after_backward(self, training, losses):
            seen.append((training.step, dict(method.on)))

    matrix = np.eye(4)
    method = small_scd(similarity="given", matrix=matrix, blocks=[["spam"], ["price", "topic", "click"]],
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
def test_every_indicator_and_similarity(indicator, similarity):
    method = small_scd(indicator=indicator, similarity=similarity, supervised="released")
    train(method)
    assert sorted(task for block in method.queued for task in block) == [0, 1, 2, 3]


def without_features() -> dict[str, Teacher]:
    """Teachers of whom only the outputs are known."""
    return {name: replace(teacher, features=None) for name, teacher in teachers().items()}


def test_features_may_be_compared_without_being_distilled():
    outputs_only = CooperativeDistillation(teachers(), features=False, kappa=1.0, warmup_epochs=1)
    train(outputs_only)
    assert outputs_only.queued and outputs_only.adaptors is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: small_scd(order="complex"), "did you mean 'complex_first'"),
        (lambda: small_scd(similarity="given"), "a matrix need each other"),
        (lambda: small_scd(blocks=[["spam"], ["pric"]]), "'pric' is not a task"),
        (
            lambda: small_scd({**teachers(), "spam": Teacher(torch.zeros(96, 2))}),
            "needs `level` of the teacher",
        ),
        (
            lambda: small_scd(blocks=[["spam"], ["price", "click", "spam"]]),
            "'topic' must be in one block",
        ),
        (lambda: small_scd(blocks=5), "a number from 1 to 4, found 5"),
        (lambda: small_scd(similarity="given", matrix=np.eye(3)), "expected similarities of 4 tasks"),
        (lambda: small_scd(similarity="tag", warmup_epochs=0), "measured in the warm-up, and there is none"),
        (
            lambda: small_scd(without_features(), features=False, kappa=1.0, adaptor_lr=0.1),
            "similarity 'cka' compares features, and the teacher of 'spam' has none",
        ),
        (lambda: small_scd(rho=0.3), "rho is read with schedule 'decay' only"),
        (lambda: small_scd(phase_patience=1), "phase_patience is read with phase_end 'patience' only"),
        (lambda: small_scd(probe_every=3), "probe_every is read with similarity 'grad_cos' or 'tag' only"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        train(make())
