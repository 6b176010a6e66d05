"""Affinities gathered over steps: means and errors over the steps in which both tasks were present."""

import json

import numpy as np
import pytest
import torch

from polytask import UserError
from polytask.grouping import Windows
from polytask.grouping.affinity import AffinityStatistics

GENERATOR = torch.Generator().manual_seed(0)
STEPS = [torch.randn(3, 3, generator=GENERATOR) for _ in range(6)]
ALL = torch.tensor([True, True, True])


def gather(steps, present=None) -> AffinityStatistics:
    statistics = AffinityStatistics(3)
    for index, affinity in enumerate(steps):
        statistics.add(affinity, ALL if present is None else present[index], step=10 * index)
    return statistics


def test_mean_and_standard_error_are_those_of_the_samples():
    statistics, values = gather(STEPS), torch.stack(STEPS).double().numpy()
    np.testing.assert_allclose(statistics.mean, values.mean(0))
    np.testing.assert_allclose(statistics.standard_error, values.std(0, ddof=1) / np.sqrt(6))
    assert (statistics.counts == 6).all()


def test_a_pair_counts_only_where_both_tasks_are_present():
    present = [torch.tensor([True, index % 2 == 0, True]) for index in range(6)]
    statistics = gather(STEPS, present)
    assert statistics.counts.tolist() == [[6, 3, 6], [3, 3, 3], [6, 3, 6]]
    np.testing.assert_allclose(statistics.mean[0, 1], np.mean([float(step[0, 1]) for step in STEPS[::2]]))
    assert statistics.samples == 6


def test_undefined_values_are_left_out():
    steps = [step.clone() for step in STEPS]
    steps[0][1, 2] = torch.nan
    steps[1][1, 2] = -torch.inf
    statistics = gather(steps)
    assert statistics.counts[1, 2] == 4
    np.testing.assert_allclose(statistics.mean[1, 2], np.mean([float(step[1, 2]) for step in steps[2:]]))


def test_a_pair_never_seen_together_has_no_evidence_either_way():
    statistics = gather(STEPS[:1], [torch.tensor([True, False, True])])
    assert statistics.mean[0, 1] == 0
    assert np.isnan(statistics.standard_error).all()


def test_saved_statistics_continue():
    first, second = gather(STEPS[:3]), AffinityStatistics(3)
    second.load_state_dict(first.state_dict())
    for index, affinity in enumerate(STEPS[3:], start=3):
        second.add(affinity, ALL, step=10 * index)
    np.testing.assert_array_equal(second.mean, gather(STEPS).mean)


def test_windows_hold_the_history_and_are_merged_in_pairs():
    statistics = AffinityStatistics(3, windows=4)
    for index, affinity in enumerate(STEPS):
        statistics.add(affinity, ALL, step=10 * index)
    windows, values = statistics.windows, torch.stack(STEPS).double().numpy()
    assert windows.steps.tolist() == [[0, 16], [16, 32], [32, 48], [48, 64]]
    assert windows.counts[:, 0, 0].tolist() == [2, 2, 1, 1]
    np.testing.assert_allclose(windows.means[0], values[:2].mean(0))
    np.testing.assert_allclose(windows.mean(), statistics.mean)


def test_windows_leave_out_steps_without_probe():
    windows = gather(STEPS).windows
    assert windows.steps.tolist() == [[10 * index, 10 * index + 1] for index in range(6)]
    np.testing.assert_allclose(windows.means, torch.stack(STEPS).double().numpy())


def test_windows_come_back_from_json():
    present = [torch.tensor([True, index % 2 == 0, True]) for index in range(6)]
    windows = gather(STEPS, present).windows
    again = Windows.from_json_dict(json.loads(json.dumps(windows.to_json_dict())))
    np.testing.assert_array_equal(again.counts, windows.counts)
    np.testing.assert_array_equal(again.steps, windows.steps)
    np.testing.assert_allclose(again.means, windows.means, rtol=1e-6)


def test_broken_windows_are_refused():
    with pytest.raises(UserError, match="'means'"):
        Windows.from_json_dict({"steps": [[0, 1]], "means": [[[1.0, 2.0]]], "counts": [1]})
