"""A full disk: exit status 1, one message; what was there stays usable, and ``--resume`` ends with the same numbers."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from killable import Uninterrupted, assert_same, outcome
from small_table import assert_refused, polytask


class Disk:
    """Files (with ``name`` in their paths) can be completed only ``room`` times."""

    def __init__(self, room: int, name: str) -> None:
        self.room, self.name = room, name
        self.fsync = os.fsync

    def __call__(self, descriptor: int) -> None:
        file = Path(f"/proc/self/fd/{descriptor}").readlink()
        if file.is_file() and file.name.endswith(".tmp"):  # not folders, nor the log, which only grows
            self.room -= self.name in str(file)
            if self.room < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.fsync(descriptor)


def fill(monkeypatch: pytest.MonkeyPatch, room: int, name: str = "") -> Disk:
    disk = Disk(room, name)
    monkeypatch.setattr(os, "fsync", disk)
    return disk


def check(uninterrupted: Uninterrupted, run: Path, monkeypatch: pytest.MonkeyPatch, room: int, name: str = "",
          *options: str) -> None:  # fmt: skip
    command = (*uninterrupted.options, "--out", run)
    with monkeypatch.context() as patch:
        fill(patch, room, name)
        assert_refused(polytask(*command, *options), "No space left", "--resume", status=1)
    assert not list(run.rglob("*.tmp"))
    result = polytask(*command, "--resume")
    assert result.exit_code == 0, result.output
    assert_same(run, uninterrupted.outcome)


@pytest.fixture(scope="module")
def writes(uninterrupted: Uninterrupted, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many files a whole run completes."""
    with pytest.MonkeyPatch.context() as patch:
        disk = fill(patch, 10**9)
        assert polytask(*uninterrupted.options, "--out", tmp_path_factory.mktemp("writes") / "run").exit_code == 0
    return 10**9 - disk.room


def test_full_at_the_start_leaves_nothing(
    uninterrupted: Uninterrupted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in range(3):
        fill(monkeypatch, room)
        assert_refused(polytask(*uninterrupted.options, "--out", tmp_path / "run"), "No space left", status=1)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_full_in_the_middle_and_at_the_report(
    uninterrupted: Uninterrupted, writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    check(uninterrupted, tmp_path / "run", monkeypatch, int(share * writes) - 1)


@pytest.mark.parametrize("room", [2, 4])
def test_full_between_the_result_of_a_training_and_its_note(
    uninterrupted: Uninterrupted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    check(uninterrupted, tmp_path / "run", monkeypatch, room, "state.json")


@pytest.mark.slow
@pytest.mark.parametrize("place", [5, 6, 50, 100])
def test_full_at_many_positions(
    uninterrupted: Uninterrupted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    check(uninterrupted, tmp_path / "run", monkeypatch, place)


@pytest.fixture(scope="module")
def nearly_done(
    uninterrupted: Uninterrupted, writes: int, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, int]:
    """A run that lacks its last files, and how many files the command completes that continues it."""
    run, end = (tmp_path_factory.mktemp("nearly") / name for name in ("run", "end"))
    with pytest.MonkeyPatch.context() as patch:
        fill(patch, writes - 8)
        assert polytask(*uninterrupted.options, "--out", run).exit_code == 1
        patch.undo()
        shutil.copytree(run, end)
        disk = fill(patch, 10**9)
        assert polytask(*uninterrupted.options, "--out", end, "--resume").exit_code == 0
    assert 10**9 - disk.room >= 8
    return run, 10**9 - disk.room


@pytest.mark.slow
@pytest.mark.parametrize("last", range(2, 9))
def test_full_at_the_last_positions(
    uninterrupted: Uninterrupted,
    nearly_done: tuple[Path, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    last: int,
) -> None:
    run = Path(shutil.copytree(nearly_done[0], tmp_path / "run"))
    check(uninterrupted, run, monkeypatch, nearly_done[1] - last, "", "--resume")


def test_full_while_predicting_keeps_the_old_file(
    uninterrupted: Uninterrupted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.parquet").write_bytes(b"old")
    fill(monkeypatch, 0)
    run = uninterrupted.data.parent / "run"
    result = polytask("predict", run, uninterrupted.data, "--out", tmp_path / "p.parquet")
    assert_refused(result, "No space left", status=1)
    assert (tmp_path / "p.parquet").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 KiB, where one may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("a file system can be mounted by root only")
    yield place
    gc.collect()  # what a finished training had mapped goes with its garbage
    subprocess.run(["umount", place], check=True)


def test_really_full_disk(uninterrupted: Uninterrupted, small_disk: Path) -> None:
    run = small_disk / "run"
    command = (*uninterrupted.options, "--out", run)
    assert_refused(polytask(*command), "No space left", "--resume", status=1)
    assert not list(run.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=60m", small_disk], check=True)
    assert polytask(*command, "--resume").exit_code == 0
    assert_same(run, uninterrupted.outcome)
    assert outcome(run) == uninterrupted.outcome
