import threading

import pytest

from polytask.training.background import Background


def test_work_is_done_in_turn_and_waited_for():
    background, go, done = Background(), threading.Event(), []
    background.start(lambda: done.append(go.wait(30)))
    assert background.busy and not done
    background.check()  # nothing is wrong so far, and nothing is waited for
    threading.Timer(0.05, go.set).start()
    background.start(lambda: done.append("second"))
    assert done[0] is True
    background.wait()
    assert done == [True, "second"] and not background.busy


@pytest.mark.parametrize("ask", ["check", "wait", "start"])
def test_what_goes_wrong_is_raised_once(ask):
    def fail() -> None:
        raise OSError(28, "No space left on device")

    background, done = Background(), []
    background.start(fail)
    while background.busy:
        pass
    with pytest.raises(OSError, match="No space left"):
        background.start(lambda: done.append(1)) if ask == "start" else getattr(background, ask)()
    background.wait()
    assert not done


def test_a_wait_that_is_interrupted_forgets_nothing(monkeypatch):
    background, go, done = Background(), threading.Event(), []
    background.start(lambda: done.append(go.wait(30)))
    with monkeypatch.context() as patch:
        patch.setattr("polytask.training.background.wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            background.wait()
    assert background.busy
    go.set()
    background.wait()
    assert done == [True]


def interrupt(*_):
    raise KeyboardInterrupt
