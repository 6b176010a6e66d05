"""A run that adds a task, killed and resumed: the same numbers, bit for bit."""

from __future__ import annotations

import os
import signal

import pytest

from adding import ADD, add
from killable import assert_same, finish, outcome, start


@pytest.mark.parametrize(("events", "options"), [(3, ()), (9, ()), (4, ("--set", "freeze=encoder"))])
def test_killed_and_resumed(earlier, tmp_path, events, options):
    often = (*options, "--set", "checkpoint_seconds=0", "--baselines")
    assert add(earlier.two, earlier.later, "rank", tmp_path / "whole", *often).exit_code == 0
    out = tmp_path / "run"
    command = ("fit", earlier.later, "--from", earlier.two, "--targets", "rank", "--out", out, *ADD, "--quiet", *often)
    process, log = start(*command), out / "metrics.jsonl"
    while process.exitcode is None and not (log.exists() and log.read_bytes().count(b"\n") >= events):
        process.join(0.002)
    assert process.exitcode is None
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert finish(*command, "--resume") == 0
    assert_same(out, outcome(tmp_path / "whole"))
