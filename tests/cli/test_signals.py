"""A command that ends by a signal ends once, with one message and its own status."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from polytask.processes.signals import SIGNALS
from small_table import polytask

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_after_the_end_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher of several processes sends one when another process has ended."""

    def interrupted(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("polytask.runs.use.evaluate_table", interrupted)
    (tmp_path / "t.csv").write_text("a\n1\n")
    called = polytask("evaluate", tmp_path, tmp_path / "t.csv")
    assert called.exit_code == 130 and called.stderr.count("interrupted") == 1
    os.kill(os.getpid(), signal.SIGTERM)  # ignored
    assert polytask("methods").exit_code == 0
    with pytest.raises(KeyboardInterrupt):  # a new command takes signals again
        os.kill(os.getpid(), signal.SIGTERM)
