import fcntl
import os
import signal
import time

import pytest
from filelock import FileLock

from killable import finish, small_fit, start
from polytask.errors import UserError
from polytask.records.folder import LOCK, RunFolder


def test_only_one_at_a_time(tmp_path):
    with RunFolder.locked(tmp_path / "run"):
        expected = pytest.raises(UserError, match="run: another process works on this run; wait until it ends")
        with expected, RunFolder.locked(tmp_path / "run"):
            pass
        assert (tmp_path / "run").exists()
    assert not (tmp_path / "run").exists()


def test_two_runs_on_one_folder_the_second_refuses_and_the_first_goes_on(tmp_path):
    options = (*small_fit(tmp_path / "data.csv", steps=20), "--out", tmp_path / "run")
    first = start(*options)
    while not (tmp_path / "run" / "state.json").exists():
        time.sleep(0.01)
    assert finish(*options, "--resume") == 2
    first.join(120)
    assert first.exitcode == 0


def test_whoever_comes_before_it_is_released_waits_for_the_same_file(tmp_path, monkeypatch):
    """The second of two that come while it is released finds the lock of the first of them."""
    (tmp_path / "notes").touch()
    release = FileLock.release
    refused = []

    def come_and_release(lock, **options):
        monkeypatch.undo()
        waiting = (tmp_path / LOCK).open()
        with pytest.raises(UserError, match="another process works"), RunFolder.locked(tmp_path):
            pass
        release(lock, **options)
        fcntl.flock(waiting, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(UserError, match="another process works"), RunFolder.locked(tmp_path):
            pass
        refused.append(waiting)

    with RunFolder.locked(tmp_path):
        monkeypatch.setattr(FileLock, "release", come_and_release)
    assert refused


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_batch_system_s_signal_saves_exits_130_and_leaves_a_run_to_resume(tmp_path, number):
    options = (*small_fit(tmp_path / "data.csv", steps=200), "--no-baselines", "--out", tmp_path / "run")
    process = start(*options, "--set", "checkpoint_seconds=1000")
    while not list(tmp_path.glob("run/trainings/*/checkpoint-*")):
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == 130
    assert [path for path in tmp_path.glob("run/trainings/*/checkpoint-*") if path.stem != "checkpoint-0"]
    assert finish(*options, "--set", "checkpoint_seconds=1000", "--resume") == 0
