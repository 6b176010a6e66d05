"""Everything that takes a step takes the same one in several processes, with accumulation and without."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

import process_matrix
from process_matrix import BATCH, CASES, ROWS, STEPS, names
from small_training import differences
from spawned import run_in_processes

Found = list[dict[str, dict[str, Tensor]]]


def spawn(folder: Path, processes: int) -> Found:
    """What each of several processes found; they are started once for all tests."""
    run_in_processes(process_matrix.run, (str(folder), processes), processes, seconds=1500)
    return [torch.load(folder / f"{number}.pt") for number in range(processes)]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return spawn(tmp_path_factory.mktemp("two"), 2)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return spawn(tmp_path_factory.mktemp("four"), 4)


@cache
def alone(name: str) -> dict[str, Tensor]:
    """One process, without accumulation."""
    return CASES[name][0]()


def assert_one(found: Found, name: str) -> None:
    for other in found[1:]:
        assert differences(found[0][name], other[name]) == []
    expected = alone(name.removesuffix(" accumulated"))
    assert all(value.isfinite().all() for value in expected.values())
    torch.testing.assert_close(found[0][name], expected, rtol=1e-3, atol=3e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", names(2))
def test_two_processes_are_one(two: Found, name: str) -> None:
    assert_one(two, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", names(4))
def test_four_processes_are_one(four: Found, name: str) -> None:
    assert_one(four, name)


def test_nothing_is_forgotten() -> None:
    assert process_matrix.unknown() == set()


def test_labels_are_uneven() -> None:
    """Batches in which a process lacks a task that another has, and ones in which nobody has a task."""
    batches = [ROWS.observed[start : start + BATCH] for start in range(0, len(ROWS), BATCH)]
    assert any((batch[::2].any(0) ^ batch[1::2].any(0)).any() for batch in batches)
    assert any((~batch.any(0)).any() for batch in batches)
    assert len(ROWS) * 2 > STEPS * BATCH
