"""Soft labels are the teachers' mean prediction by row id, in memory and in a file alike."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from polytask.distillation import SoftLabelStore, map_labels
from polytask.task import KINDS

SHAPES = {"binary": (7,), "regression": (7,), "multiclass": (7, 3)}


def fill(store: SoftLabelStore, teachers: list[torch.Tensor]) -> torch.Tensor:
    """Every teacher gives its rows in parts of three, the last part first."""
    for teacher in teachers:
        for start in (6, 3, 0):
            rows = slice(start, start + 3)
            store.add(rows, teacher[rows])
    return store.outputs()


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("count", [1, 3])
def test_labels_predict_the_mean_of_the_teachers(kind: str, count: int, tmp_path: Path) -> None:
    definition = KINDS[kind]
    teachers = [torch.randn(SHAPES[kind], generator=torch.Generator().manual_seed(k)) for k in range(count)]
    memory = fill(SoftLabelStore(definition, SHAPES[kind], count), teachers)
    file = fill(SoftLabelStore(definition, SHAPES[kind], count, tmp_path / "labels.bin"), teachers)
    mean = torch.stack([definition.predict(teacher) for teacher in teachers]).mean(0)
    torch.testing.assert_close(definition.predict(memory), mean)
    assert torch.equal(file, memory)
    assert torch.equal(map_labels(tmp_path / "labels.bin", SHAPES[kind]), memory)


def test_one_teacher_is_kept_bit_for_bit() -> None:
    teacher = torch.randn(7) * 100
    assert torch.equal(fill(SoftLabelStore(KINDS["binary"], (7,)), [teacher]), teacher)


def test_a_file_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "labels.bin"
    store = SoftLabelStore(KINDS["binary"], (7,), 1, path)
    store.add(slice(0, 7), torch.ones(7))
    assert not path.exists()
    store.outputs()
    assert [file.name for file in path.parent.iterdir()] == ["labels.bin"]


def test_half_precision_is_clipped_and_takes_two_bytes(tmp_path: Path) -> None:
    path = tmp_path / "labels.bin"
    outputs = fill(SoftLabelStore(KINDS["binary"], (7,), 1, path, half=True), [torch.full((7,), 1e9)])
    assert outputs.tolist() == [60000.0] * 7 and path.stat().st_size == 14


def test_half_precision_keeps_sure_teachers() -> None:
    teachers = [torch.full((7,), 9.0)] * 3
    outputs = fill(SoftLabelStore(KINDS["binary"], (7,), 3, half=True), teachers)
    torch.testing.assert_close(outputs.float(), teachers[0], rtol=1e-3, atol=1e-2)
