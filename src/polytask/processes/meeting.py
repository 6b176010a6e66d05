"""While processes wait for one another before a training: a signal ends them, and so does one of them that is gone."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .signals import INTERRUPTED

#: Seconds between two looks at the others, and that Python has to handle a signal by itself.
LOOKS, HANDLED = 0.2, 1.0


@contextmanager
def watched(started: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Around the meeting, which happens in C code that no handler of Python's interrupts.

    The C part of a handler writes the signal to a pipe at once; a thread reads it and ends this process, with status
    130, and those that it has started. It ends them with status 1 if one of these has ended before they met.

    Args:
        started: The processes that this one has started; the list may grow.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)
    met = threading.Event()
    thread = threading.Thread(target=_watch, args=(reading, met, started), daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        _terminate(started)
        raise
    finally:
        met.set()
        signal.set_wakeup_fd(before)
        thread.join()
        os.close(reading)
        os.close(writing)


def _watch(reading: int, met: threading.Event, started: Sequence[subprocess.Popen[bytes]]) -> None:
    while not met.is_set():
        signalled = bool(select.select([reading], [], [], LOOKS)[0])
        if signalled and not met.wait(HANDLED):
            _end(130, INTERRUPTED, started)
        lost = next((process for process in started if process.poll()), None)
        if lost is not None and not met.wait(HANDLED):
            _end(1, f"error: process {lost.pid} ended with status {lost.returncode} before the training began, and the "
                    "others cannot start; run the same command again", started)  # fmt: skip


def _end(status: int, message: str, started: Sequence[subprocess.Popen[bytes]]) -> None:
    _terminate(started)
    if os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0":
        os.write(2, f"{message}\n".encode())
    os._exit(status)


def _terminate(started: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in started:
        process.terminate()
