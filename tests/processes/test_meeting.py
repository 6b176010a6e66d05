"""Processes that wait for one another end by a signal, and if one of them is gone, also while C code waits."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

#: Waits in C code for ever, as a rendezvous does, and no signal interrupts it.
SCRIPT = """
import ctypes, signal, subprocess, sys
from polytask.processes.meeting import watched
for sent in (signal.SIGTERM, signal.SIGINT):  # the latter is ignored in what a shell runs in the background
    signal.signal(sent, signal.default_int_handler)
started = [subprocess.Popen([sys.executable, "-c", sys.argv[1]])]
try:
    with watched(started):
        print("waits", flush=True)
        libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128)
        for _ in range(2):
            libc.pthread_mutex_lock(mutex)
except KeyboardInterrupt:  # the signal came before
    print("interrupted --resume", file=sys.stderr)
    sys.exit(130)
"""


@pytest.mark.parametrize(
    ("other", "sent", "status", "words"),
    [
        ("import time; time.sleep(60)", signal.SIGTERM, 130, "--resume"),
        ("import time; time.sleep(60)", signal.SIGINT, 130, "interrupted"),
        ("raise SystemExit(3)", None, 1, "ended with status 3 before the training began"),
    ],
)
def test_it_ends(other: str, sent: signal.Signals | None, status: int, words: str) -> None:
    command = [sys.executable, "-c", SCRIPT, other]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "waits\n"
        if sent is not None:
            process.send_signal(sent)
        _, said = process.communicate(timeout=60)
    assert process.returncode == status and words in said and "Traceback" not in said


def test_a_meeting_leaves_signals_as_they_were() -> None:
    from polytask.processes.meeting import watched

    before = signal.set_wakeup_fd(-1)
    with watched([]):
        pass
    assert signal.set_wakeup_fd(before) == -1
