import os
import signal

import pytest

from polytask import Callback, fit
from polytask.training.checkpoints import checkpoint_steps
from polytask.training.interruption import Interruption
from small_training import assert_same_result, make_model, make_rows, small_settings

ROWS, VALIDATION = make_rows(), make_rows(600, seed=1)


@pytest.fixture(autouse=True)
def handlers():
    """As in a terminal: a program started in the background of a script may ignore SIGINT from the start."""
    handlers = dict.fromkeys((signal.SIGTERM, signal.SIGUSR1), signal.SIG_DFL)
    handlers[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Signal(Callback):
    """Sends a signal to this process before one step."""

    name = "signal"

    def __init__(self, number, step=None):
        self.number, self.step = number, step

    def before_step(self, training, batch):
        if training.step == self.step:
            self.step = None
            os.kill(os.getpid(), self.number)


def run(folder=None, number=signal.SIGTERM, step=None):
    return fit(
        make_model(dropout=0.2),
        train=ROWS,
        validation=VALIDATION,
        callbacks=[Signal(number, step)],
        settings=small_settings(steps=30, checkpoint_seconds=1000.0),
        folder=folder,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_ends_the_training_after_the_step_and_saves_it(tmp_path, number):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, number, step=17)
    assert max(checkpoint_steps(tmp_path)) == 18
    assert_same_result(run(tmp_path), run())


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interruption().awaited():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_second_signal_interrupts_at_once():
    interruption = Interruption()
    with interruption.awaited():
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()


def test_ignored_signals_stay_ignored():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    interruption = Interruption()
    with interruption.awaited():
        os.kill(os.getpid(), signal.SIGTERM)
    assert not interruption.requested


def test_without_a_folder_nothing_would_be_saved_so_a_signal_interrupts_at_once():
    with pytest.raises(KeyboardInterrupt):
        run(None, signal.SIGINT, step=3)
