"""What a terminal shows of the trainings of a run."""

import pytest

from polytask.display.terminal import Terminal


def test_trainings_of_an_interrupted_run_count(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.expect(3)
    terminal.trained_before()
    with terminal.training("network 0"):
        pass
    assert "(2 of 3)" in capsys.readouterr().err


def test_trainings_side_by_side_are_counted_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.expect(3)
    with terminal.training("2 networks in 2 processes", counts=False):
        pass
    terminal.trained_before()
    terminal.trained_before()
    with terminal.training("network 2"):
        pass
    shown = capsys.readouterr().err
    assert "(1 of 3)" not in shown and "trained network 2 in 0.0 s (3 of 3)" in shown
