"""One of several processes is lost, or memory or files have run out: one sentence each."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from polytask.data import read_table
from polytask.processes import lost
from small_table import assert_refused, polytask


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended, which its parent has not taken note of."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return process.pid


def test_the_lost_process_is_named_by_the_first_that_is_left(dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    here = lost._machine()
    monkeypatch.setattr(lost, "_members", [(here, dead), (here, os.getpid()), (here, os.getppid())])
    assert f"process 0 (pid {dead}) of 3 was lost" in lost.lost_sentence() and "--resume" in lost.lost_sentence()
    monkeypatch.setattr(lost, "_members", [(here, dead), (here, os.getppid()), (here, os.getpid())])
    assert lost.lost_sentence() == ""


def test_only_errors_of_the_connection_are_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    gloo = RuntimeError("[pair.cc:537] Read error [127.0.0.1]:39657: Connection reset by peer")
    assert not lost.is_lost(gloo)  # nobody else is there
    monkeypatch.setattr(lost, "_members", [(0, 1), (0, 2)])
    assert lost.is_lost(gloo) and not lost.is_lost(RuntimeError("shapes do not match"))


@pytest.mark.parametrize(("error", "words"), [
    (MemoryError("malloc of size 64 failed"), "not enough memory"),
    (pa.ArrowMemoryError("malloc of size 64 failed"), "not enough memory"),
    (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "ulimit -v"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), "batch_size"),
    (ImportError("libx.so: failed to map segment from shared object"), "not enough memory"),
    (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "too many open files"),
    (RuntimeError("unable to open file <x> in read-only mode: Too many open files (24)"), "ulimit -n"),
    (RuntimeError("can't start new thread"), "more processes or threads"),
    (pa.ArrowException("Failed to launch worker thread: Resource temporarily unavailable"), "ulimit -u"),
    (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "run/state.json"), "run/state.json cannot be reached"),
    (OSError(errno.EIO, os.strerror(errno.EIO), "run/state.json"), "Input/output error"),
])  # fmt: skip
def test_what_has_run_out_is_one_message(
    error: Exception, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("polytask.runs.use.evaluate_table", fail)
    (tmp_path / "t.csv").write_text("a\n1\n")
    assert_refused(polytask("evaluate", tmp_path, tmp_path / "t.csv"), words, "--resume", status=1)


@pytest.mark.parametrize("ending", ["csv.gz", "parquet"])
def test_a_file_is_not_called_damaged_where_files_have_run_out(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    content = gzip.compress(b"a\n1\n") if ending == "csv.gz" else b"PAR1"
    (tmp_path / f"t.{ending}").write_bytes(content)
    monkeypatch.setattr("gzip.open", fail)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile", fail)
    with pytest.raises(OSError, match="Too many open files"):
        read_table(tmp_path / f"t.{ending}")


@pytest.mark.parametrize(("gigabytes", "said"), [(1, True), (8, False)])
def test_too_little_memory_for_libraries_is_reported_before_they_are_loaded(
    gigabytes: int, said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they do without it, such as a crash in C code, cannot be said afterwards."""
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (gigabytes << 30, resource.RLIM_INFINITY))
    called = polytask("methods")
    assert called.exit_code == 0 and ("note: the limit of this shell (ulimit -v)" in called.stderr) == said
