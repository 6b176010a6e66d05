"""One of several processes is lost, or memory is: one sentence each."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from polytask import lost
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


@pytest.mark.parametrize("error", [
    MemoryError("malloc of size 64 failed"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ImportError("libx.so: failed to map segment from shared object"),
])  # fmt: skip
def test_too_little_memory_is_one_message(error: Exception, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("polytask.runs.use.evaluate_table", fail)
    assert_refused(polytask("evaluate", tmp_path, "t.csv"), "not enough memory", "batch_size", status=1)
