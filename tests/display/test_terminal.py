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
