"""Similarity, blocks, complexities, queue and phases against the worked example of the specification."""

import numpy as np
import pytest
import torch

from polytask import UserError
from polytask.distillation.cooperative import (
    block_complexities,
    find_blocks,
    gap,
    linear_cka,
    phase_plan,
    queue,
    skill_gap,
    teacher_similarity,
)
from polytask.distillation.cooperative.blocks import silhouette
from polytask.task import METRICS

PAIRS = {(0, 1): 0.82, (0, 2): 0.30, (0, 3): 0.25, (1, 2): 0.35, (1, 3): 0.20, (2, 3): 0.60}


def similarity(pairs=PAIRS, tasks=4) -> np.ndarray:
    matrix = np.eye(tasks)
    for (i, j), value in pairs.items():
        matrix[i, j] = matrix[j, i] = value
    return matrix


def test_the_worked_example_from_similarity_to_queue():
    matrix = similarity()
    assert silhouette(1 - matrix, ((0, 1), (2, 3))) == pytest.approx(0.5987, abs=1e-4)
    assert silhouette(1 - matrix, ((0, 1), (2,), (3,))) == pytest.approx(0.3665, abs=1e-4)
    blocks = find_blocks(matrix)
    assert blocks == ((0, 1), (2, 3))
    single, joint = (0.90, 0.75, 0.60, 20.0), (0.88, 0.74, 0.48, 25.0)
    gaps = [gap(s, j, up) for s, j, up in zip(single, joint, (True, True, True, False), strict=True)]
    assert gaps == pytest.approx([0.022222, 0.013333, 0.2, 0.25], abs=1e-6)
    complexities = block_complexities(blocks, gaps)
    assert complexities == pytest.approx([0.017778, 0.225], abs=1e-6)
    assert queue(blocks, complexities) == ((2, 3), (0, 1))


def test_cka_of_the_worked_example_and_its_invariances():
    one = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    other = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0], [1.0, 3.0, 1.0], [3.0, 3.0, 0.0]])
    assert linear_cka(one, other) == pytest.approx(0.940068, abs=1e-6)
    assert linear_cka(other, one) == pytest.approx(0.940068, abs=1e-6)
    turned = 3 * one @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]]) + 7
    assert linear_cka(turned, other) == pytest.approx(0.940068, abs=1e-5)


def test_constant_features_are_like_nothing():
    varied = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    for constant in (torch.zeros(20, 4), torch.full((20, 4), 0.1), torch.full((20, 4), 1e4)):
        assert linear_cka(varied, constant) == 0.0
        assert linear_cka(constant, constant) == 0.0


def test_a_matrix_of_teachers_with_features_of_different_sizes():
    draw = torch.Generator().manual_seed(1)
    base = torch.randn(50, 4, generator=draw)
    features = [base, torch.cat([base, base], 1), torch.randn(50, 3, generator=draw)]
    matrix = teacher_similarity(features)
    assert matrix[0, 1] == pytest.approx(1.0) and matrix[0, 2] < 0.5
    assert np.array_equal(matrix, matrix.T) and np.array_equal(matrix.diagonal(), np.ones(3))


def test_unlike_tasks_are_blocks_of_their_own_and_pairs_are_not_joined():
    assert find_blocks(similarity(dict.fromkeys(PAIRS, 0.3))) == ((0,), (1,), (2,), (3,))
    assert find_blocks(np.ones((2, 2))) == ((0,), (1,))
    assert find_blocks(np.ones((1, 1))) == ((0,),)


def test_blocks_by_number_and_as_given():
    matrix = similarity()
    assert find_blocks(matrix, 1) == ((0, 1, 2, 3),)
    assert find_blocks(matrix, 3) == ((0, 1), (2,), (3,))
    assert find_blocks(matrix, 4) == ((0,), (1,), (2,), (3,))
    assert [len(find_blocks(np.ones((5, 5)), number)) for number in (2, 3, 4)] == [2, 3, 4]  # all equally far
    assert find_blocks(matrix, [[3, 0], [1, 2]]) == ((0, 3), (1, 2))
    for bad in (0, 5, [[0, 1]], [[0, 1], [1, 2, 3]], "many"):
        with pytest.raises(UserError, match="blocks: expected"):
            find_blocks(matrix, bad)


def test_ties_in_the_queue_go_by_size_then_order():
    assert queue(((0,), (1, 2), (3,)), [0.5, 0.5, 0.5]) == ((1, 2), (0,), (3,))


def test_gaps_that_are_no_numbers_or_relative_to_nothing():
    assert gap(float("nan"), 0.5) == 0.0 and gap(0.5, 0.6) < 0 and gap(0.0, -1.0) == 0.0


def test_gaps_in_skill_can_be_compared_among_kinds():
    auc, r2, rmse = (METRICS[name] for name in ("roc_auc", "r2", "rmse"))
    half = [
        skill_gap(auc.skill(0.9, 0.5), auc.skill(0.7, 0.5)),
        skill_gap(r2.skill(0.8, 0.0), r2.skill(0.4, 0.0)),
        skill_gap(rmse.skill(2.0, 10.0), rmse.skill(6.0, 10.0)),
    ]
    assert half == pytest.approx([0.5] * 3)
    nothing = [
        skill_gap(auc.skill(0.9, 0.5), auc.skill(0.3, 0.5)),
        skill_gap(r2.skill(0.8, 0.0), r2.skill(-4.6, 0.0)),
        skill_gap(rmse.skill(2.0, 10.0), rmse.skill(90.0, 10.0)),
    ]
    assert nothing == pytest.approx([1.0] * 3)
    assert skill_gap(0.01, 0.0) == pytest.approx(0.1)  # a teacher that learned nothing: no gap to speak of
    assert skill_gap(-2.0, -3.0) == 0.0 and skill_gap(float("nan"), 0.5) == 0.0


def test_phases_share_the_steps_by_the_size_of_blocks():
    phases = phase_plan(((0,), (1, 2, 3)), 100, 10, 10)
    assert [(phase.start, phase.blocks) for phase in phases] == [(0, 0), (10, 1), (30, 2), (90, 2)]


def test_short_trainings_keep_most_of_their_steps_for_the_queue():
    phases = phase_plan(((0,), (1,)), 100, 1000, 1000)
    assert [phase.start for phase in phases] == [0, 20, 50, 80]
    assert [phase.name for phase in phase_plan(((0,),), 100, 0, 0)] == ["phase 1"]
