"""Parameters of earlier evaluations."""

import pytest
import torch
from torch import nn

from polytask.training.snapshots import Snapshots


@pytest.fixture(params=["memory", "files"])
def snapshots(request, tmp_path) -> Snapshots:
    return Snapshots(None if request.param == "memory" else tmp_path / "snapshots")


def test_a_snapshot_is_the_whole_model_as_it_was(snapshots):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    snapshots.save(3, model)
    for value in model.state_dict().values():
        value.add_(1)
    loaded = snapshots.load(3)
    assert list(loaded) == list(before)
    assert all(torch.equal(loaded[name], before[name]) for name in before)


def test_only_the_snapshots_that_are_needed_are_kept(snapshots):
    for step in (1, 2, 3):
        snapshots.save(step, nn.Linear(1, 1))
    snapshots.keep_only({2, 9})
    snapshots.load(2)
    for step in (1, 3):
        with pytest.raises((KeyError, ValueError)):
            snapshots.load(step)


def test_dropping_from_nothing_is_no_error(snapshots):
    snapshots.keep_only({1})


def test_snapshots_made_since_are_left_alone(snapshots):
    for step in (1, 2, 3):
        snapshots.save(step, nn.Linear(1, 1))
    snapshots.keep_only({1}, until=2)
    snapshots.load(1), snapshots.load(3)
    with pytest.raises((KeyError, ValueError)):
        snapshots.load(2)
