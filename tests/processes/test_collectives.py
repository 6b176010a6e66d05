"""Two processes are one."""

import json

import pytest
import torch

import two_processes
from polytask.processes.collectives import average_gradients, rank, sum_over_processes, world_size
from small_training import differences
from spawned import run_in_processes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where two processes left what they found; they are started once for all tests."""
    path = tmp_path_factory.mktemp("two")
    run_in_processes(two_processes.run, (str(path),), 2, seconds=300)
    return path


@pytest.fixture(scope="module")
def found(folder):
    return [torch.load(folder / f"{number}.pt", weights_only=False) for number in range(2)]


def test_one_process_changes_nothing():
    parameter = torch.nn.Parameter(torch.zeros(2))
    average_gradients([parameter])
    assert parameter.grad is None
    assert (world_size(), rank()) == (1, 0)
    assert sum_over_processes(torch.ones(1)) == 1


def test_processes_know_each_other(found):
    assert [(one["size"], one["rank"]) for one in found] == [(2, 0), (2, 1)]
    assert [one["sum"].tolist() for one in found] == [[3.0], [3.0]]


def test_gradients_are_averaged_with_zeros_where_a_process_has_none(found):
    for one in found:
        both, first, none = one["gradients"]
        assert both.tolist() == [1.5, 1.5]
        assert first.tolist() == [1.5, 1.5]
        assert none is None


def test_averaged_gradients_keep_their_types(found):
    for one in found:
        types = [gradient.dtype for gradient in one["types"]]
        assert types == [torch.bfloat16, torch.float32, torch.float64, torch.complex64]
        assert [gradient.tolist() for gradient in one["types"]] == [[1.5, 1.5]] * 4


def test_the_first_decides_when_affinity_is_measured_well_enough(found):
    assert [one["stopping"]["affinity"]["samples"] for one in found] == [3, 3]
    assert torch.equal(*(one["stopping"]["affinity"]["sums"] for one in found))


def test_the_example_has_batches_in_which_one_process_lacks_a_task():
    halves = two_processes.ROWS.observed[:4].view(2, 2, 4).any(1)
    assert (halves[0] ^ halves[1]).any()


ALONE = {
    "plain": {},
    "one row": {"batch": 1},
}


@pytest.mark.parametrize("name", ALONE)
def test_two_processes_train_the_model_of_one(found, name):
    alone = two_processes.plain(**ALONE[name])
    for one in found:
        torch.testing.assert_close(one[name]["weights"], alone["weights"], atol=1e-6, rtol=1e-6)
        for two_losses, losses in zip(one[name]["losses"], alone["losses"], strict=True):
            assert two_losses == pytest.approx(losses, abs=1e-6, nan_ok=True)
        torch.testing.assert_close(one[name]["affinity"], alone["affinity"], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "name",
    ["plain", "one row", "early", "memory", "files", "again", "interrupted", "other model"],
)
def test_both_processes_end_with_the_same(found, name):
    assert differences(found[0][name], found[1][name]) == []


@pytest.mark.parametrize("name", ["files", "again", "interrupted"])
def test_files_and_interruptions_change_nothing(found, name):
    assert differences(found[0]["memory"], found[0][name]) == []


def test_all_start_from_the_numbers_of_the_first_process(found):
    alone = two_processes.other_model()
    torch.testing.assert_close(found[1]["other model"], alone, atol=1e-3, rtol=1e-3)


def test_events_are_written_once(folder):
    lines = [json.loads(line) for line in (folder / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines].count("training_start") == 1
    steps = [line["step"] for line in lines if line["event"] == "evaluation"]
    assert steps == sorted(set(steps))


def test_only_the_result_is_left(folder):
    for name in ("whole", "interrupted"):
        left = {
            path.name for path in (folder / name).rglob("*") if path.is_file() and path.parent.name != "soft_labels"
        }
        assert left == {"result.safetensors", "metrics.jsonl"}
