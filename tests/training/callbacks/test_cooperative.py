"""Cooperative distillation in the loop: its blocks, its queue, and when their phases begin and end."""

from dataclasses import replace

import pytest
import torch

from polytask import MTLKD, Callback, CooperativeDistillation, Teacher, UserError
from small_distillation import small_scd, teachers, weights_of
from small_training import differences, train


def test_one_block_is_mtlkd_bit_for_bit():
    one = small_scd(blocks=1, warmup_epochs=0, adaptor_lr=0.1)
    assert differences(weights_of(MTLKD(teachers())), weights_of(one)) == []


def test_the_queue_and_its_phases_are_followed(tmp_path):
    seen = []

    class Follow(Callback):
        name = "follow"

        def after_backward(self, training, losses):
            seen.append((training.step, method.on))

    method = small_scd(blocks=[["spam"], ["price", "topic", "click"]], final=0.2)
    train(method, Follow())
    assert [on for step, on in seen if step < 5] == [0] * 5
    first = 5 + round(27 * len(method.queued[0]) / 4)
    assert {on for step, on in seen if 5 <= step < first} == {1}
    assert {on for step, on in seen if step >= first} == {2}
    assert sorted(task for block in method.queued for task in block) == [0, 1, 2, 3]


def without_features() -> dict[str, Teacher]:
    """Teachers of whom only the outputs are known."""
    return {name: replace(teacher, features=None) for name, teacher in teachers().items()}


def test_features_may_be_compared_without_being_distilled():
    outputs_only = CooperativeDistillation(teachers(), features=False, kappa=1.0, warmup_epochs=1)
    train(outputs_only)
    assert outputs_only.queued and outputs_only.adaptors is None


def test_teachers_without_features_are_distilled_in_blocks_that_are_given():
    blocks = [["spam", "topic"], ["price", "click"]]
    method = small_scd(without_features(), features=False, kappa=1.0, adaptor_lr=0.1, blocks=blocks)
    train(method)
    assert sorted(map(len, method.queued)) == [2, 2] and method.adaptors is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: small_scd(final=2), "final must be at least 0 and at most 1"),
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
        (
            lambda: small_scd(without_features(), features=False, kappa=1.0, adaptor_lr=0.1),
            "blocks are found by features, and the teacher of 'spam' has none; give the blocks",
        ),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        train(make())
