"""Atomic file writes."""

import errno
import math
import os
from pathlib import Path

import pytest

from polytask import UserError
from polytask.files import read_json, replaced, reserve, sha256, write_bytes, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_replaces_the_old_one_and_leaves_no_other(tmp_path):
    path = tmp_path / "deep" / "file"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_while_writing_leaves_the_old_file_and_no_temporary(tmp_path, failure):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(failure), replaced(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise failure
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_content_and_name_are_on_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink().name))
    write_bytes(tmp_path / "file", b"new")
    assert synced == [f".file.{os.getpid()}.tmp", tmp_path.name]


def test_a_place_that_cannot_be_reserved_leaves_nothing(tmp_path, monkeypatch):
    reserve(tmp_path / "file", 5000)
    assert (tmp_path / "file").read_bytes() == bytes(5000)
    (tmp_path / "file").unlink()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        reserve(tmp_path / "file", 5000)
    assert names(tmp_path) == []


def test_a_failure_of_a_first_write_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file", [math.nan])
    assert names(tmp_path) == []


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(UserError, match="nothing: no such file"):
        read_json(tmp_path / "nothing")


def test_json_numbers_round_trip_exactly(tmp_path):
    value = {"a": [0.1 + 0.2, 1e-310, 12345678901234567890], "ü": None}
    write_json(tmp_path / "file", value)
    assert read_json(tmp_path / "file") == value


@pytest.mark.parametrize("content", [b'{"a": 1', b"\xff\xfe"])
def test_damaged_json_is_an_error(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match="damaged JSON"):
        read_json(tmp_path / "file")


def test_fingerprint_is_that_of_the_content(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
