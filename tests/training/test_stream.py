"""The order of rows."""

import pytest
import torch

from polytask.errors import UserError
from polytask.training import stream as module
from polytask.training.stream import BlockStream, EpochStream

SIZES = [(1, 1), (5, 2), (7, 7), (100, 32), (101, 10), (64, 63)]


def epoch(stream: EpochStream, number: int) -> list[torch.Tensor]:
    start = number * stream.steps_per_epoch
    return [stream.ids(step) for step in range(start, start + stream.steps_per_epoch)]


@pytest.mark.parametrize(("rows", "batch"), SIZES)
def test_every_row_comes_once_per_epoch_in_batches_of_nearly_equal_size(rows, batch):
    stream = EpochStream(rows, batch, seed=3)
    for number in range(3):
        batches = epoch(stream, number)
        assert sorted(torch.cat(batches).tolist()) == list(range(rows))
        sizes = [len(ids) for ids in batches]
        assert max(sizes) <= batch
        assert max(sizes) - min(sizes) <= 1


def test_the_rows_of_a_step_are_a_function_of_seed_and_step():
    forward, backward = EpochStream(50, 8, seed=1), EpochStream(50, 8, seed=1)
    steps = range(4 * forward.steps_per_epoch)
    ahead = [forward.ids(step).tolist() for step in steps]
    assert ahead == [backward.ids(step).tolist() for step in reversed(steps)][::-1]


def test_epochs_and_seeds_differ():
    stream = EpochStream(50, 50, seed=1)
    assert stream.ids(0).tolist() != stream.ids(1).tolist()
    assert stream.ids(0).tolist() != EpochStream(50, 50, seed=2).ids(0).tolist()


def test_the_order_of_rows_takes_no_random_numbers_from_the_training():
    before = torch.get_rng_state()
    EpochStream(50, 8, seed=1).ids(0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize(("rows", "batch"), SIZES)
def test_processes_share_out_the_rows_of_every_step(monkeypatch, rows, batch, processes):
    whole = epoch(EpochStream(rows, batch, seed=3), 0)
    monkeypatch.setattr(module, "world_size", lambda: processes)
    shares = []
    for rank in range(processes):
        monkeypatch.setattr(module, "rank", lambda rank=rank: rank)
        shares.append(epoch(EpochStream(rows, batch, seed=3), 0))
    for step, ids in enumerate(whole):
        parts = [share[step].tolist() for share in shares]
        assert sorted(row for part in parts for row in part) == sorted(ids.tolist())
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def blocks_of(stream: BlockStream, epoch: int) -> torch.Tensor:
    first = epoch * stream.steps_per_epoch
    return torch.cat([stream.ids(step) for step in range(first, first + stream.steps_per_epoch)])


BOUNDARIES = torch.tensor([0, 30, 60, 60, 75, 110, 128])


def test_every_row_of_every_block_once_per_epoch() -> None:
    stream = BlockStream(BOUNDARIES, batch_size=10, seed=3, window=50)
    epochs = [blocks_of(stream, epoch) for epoch in range(3)]
    assert stream.steps_per_epoch == 13
    for rows in epochs:
        assert sorted(rows.tolist()) == list(range(128))
    assert not torch.equal(epochs[0], epochs[1])
    sizes = [len(stream.ids(step)) for step in range(13)]
    assert max(sizes) - min(sizes) <= 1 and max(sizes) <= 10


def test_the_order_is_a_function_of_the_step() -> None:
    stream = BlockStream(BOUNDARIES, batch_size=10, seed=3, window=50)
    forwards = [stream.ids(step) for step in range(40)]
    other = BlockStream(BOUNDARIES, batch_size=10, seed=3, window=50)
    for step in reversed(range(40)):
        assert torch.equal(other.ids(step), forwards[step])


def test_a_window_needs_few_blocks_and_the_next_is_announced() -> None:
    announced: list[list[int]] = []
    stream = BlockStream(BOUNDARIES, batch_size=8, seed=0, window=40, announce=announced.append)
    used: list[int] = []
    for step in range(2 * stream.steps_per_epoch):
        before = len(announced)
        now = (torch.bucketize(stream.ids(step), BOUNDARIES[1:], right=True)).unique().tolist()
        assert set(now) <= set(announced[-1])  # also where a batch goes from one window to the next
        if before and len(announced) > before and step % stream.steps_per_epoch:
            assert set(now) <= set(announced[before - 1])  # it was read ahead
        used += now
    assert set(used) == {0, 1, 3, 4, 5}


def test_processes_share_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    for process in range(2):
        monkeypatch.setattr(module, "rank", lambda process=process: process)
        monkeypatch.setattr(module, "world_size", lambda: 2)
        rows.append(blocks_of(BlockStream(BOUNDARIES, batch_size=10, seed=3, window=50), 0))
    assert sorted(torch.cat(rows).tolist()) == list(range(128))
    with pytest.raises(UserError, match="smaller row groups"):
        BlockStream(torch.tensor([0, 5]), batch_size=2, seed=0)
