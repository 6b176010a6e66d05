"""A run that adds a task, killed and resumed: the same numbers, bit for bit."""

from __future__ import annotations

import os
import signal
from functools import cache

import pytest

from adding import ADD, add
from killable import assert_same, finish, outcome, start

OFTEN = ("--set", "checkpoint_seconds=0", "--baselines")


@pytest.fixture(scope="module")
def whole(earlier, tmp_path_factory):
    """The outcome of a run with these options that is left alone."""

    @cache
    def of(options):
        out = tmp_path_factory.mktemp("whole") / "run"
        assert add(earlier.two, earlier.later, "rank", out, *options).exit_code == 0
        return outcome(out)

    return of


@pytest.mark.slow
@pytest.mark.parametrize(("events", "options"), [(3, ()), (9, ()), (4, ("--set", "freeze=encoder"))])
def test_killed_and_resumed(earlier, whole, tmp_path, events, options):
    out, options = tmp_path / "run", (*options, *OFTEN)
    given = ("--from", earlier.two, "--targets", "rank", "--out", out)
    command = ("fit", earlier.later, *given, *ADD, "--quiet", *options)
    process, log = start(*command), out / "metrics.jsonl"
    while process.exitcode is None and not (log.exists() and log.read_bytes().count(b"\n") >= events):
        process.join(0.002)
    assert process.exitcode is None
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert finish(*command, "--resume") == 0
    assert_same(out, whole(options))
