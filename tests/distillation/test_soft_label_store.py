"""Soft labels are the teachers' mean prediction by row id, in memory and in a file alike."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from polytask.distillation import SoftLabelStore, let_go, map_labels, soft_label_store
from polytask.task import KINDS

SHAPES = {"binary": (7,), "regression": (7,), "multiclass": (7, 3)}


def side_by_side(kind: str) -> tuple[int, ...]:
    """Two tasks of a kind."""
    rows, *rest = SHAPES[kind]
    return (rows, 2, *rest)


def teachers_of(kind: str, count: int) -> list[torch.Tensor]:
    return [torch.randn(SHAPES[kind], generator=torch.Generator().manual_seed(k)) for k in range(count)]


@pytest.mark.parametrize("kind", list(SHAPES))
@pytest.mark.parametrize("count", [1, 3])
def test_labels_predict_the_mean_of_the_teachers(kind: str, count: int, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(soft_label_store, "CHUNK", 3)
    definition, teachers = KINDS[kind], teachers_of(kind, count)
    memory = SoftLabelStore(definition, side_by_side(kind))
    file = SoftLabelStore(definition, side_by_side(kind), tmp_path / "folder" / "labels.bin")
    for store in (memory, file):
        store.fill(1, teachers)
    mean = torch.stack([definition.predict(teacher) for teacher in teachers]).mean(0)
    torch.testing.assert_close(definition.predict(memory.values[:, 1]), mean)
    assert memory.values[:, 0].eq(0).all()
    assert torch.equal(file.values, memory.values)
    assert torch.equal(map_labels(tmp_path / "folder" / "labels.bin", side_by_side(kind)), memory.values)


def test_one_teacher_is_kept_bit_for_bit() -> None:
    teacher, store = torch.randn(7) * 100, SoftLabelStore(KINDS["binary"], (7, 1))
    store.fill(0, [teacher])
    assert torch.equal(store.values[:, 0], teacher)


def test_a_file_opened_again_holds_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.bin"
    SoftLabelStore(KINDS["binary"], (7, 2), path).fill(0, [torch.ones(7)])
    again = SoftLabelStore(KINDS["binary"], (7, 2), path)
    again.fill(1, [torch.full((7,), 2.0)])
    assert again.values.tolist() == [[1.0, 2.0]] * 7


def test_half_precision_is_clipped_and_takes_two_bytes(tmp_path: Path) -> None:
    path = tmp_path / "labels.bin"
    store = SoftLabelStore(KINDS["binary"], (7, 1), path, half=True)
    store.fill(0, [torch.full((7,), 1e9)])
    assert store.values[:, 0].tolist() == [60000.0] * 7 and path.stat().st_size == 14


def test_half_precision_keeps_sure_teachers() -> None:
    teachers = [torch.full((7,), 9.0)] * 3
    store = SoftLabelStore(KINDS["binary"], (7, 1), half=True)
    store.fill(0, teachers)
    torch.testing.assert_close(store.values[:, 0].float(), teachers[0], rtol=1e-3, atol=1e-2)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory of files is told by Linux")
def test_one_pass_over_large_files_leaves_little_of_them_in_memory(tmp_path: Path) -> None:
    rows = 4_000_000
    teacher, store = map_labels(tmp_path / "a", (rows,)), SoftLabelStore(KINDS["binary"], (rows, 1), tmp_path / "b")
    teacher[:] = 1.0
    let_go(teacher)
    before = resident_files()
    store.fill(0, [teacher])
    store.digest(0)
    assert resident_files() < before + 4  # of 32 MB
    assert store.values.eq(1).all()


def resident_files() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("RssFile"))


def test_a_file_that_was_cut_off_is_as_long_as_before(tmp_path: Path) -> None:
    (tmp_path / "labels").write_bytes(b"\0" * 6)
    assert map_labels(tmp_path / "labels", (3, 2)).shape == (3, 2)
