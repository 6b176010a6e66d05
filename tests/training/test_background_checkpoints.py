"""Checkpoints are written while training goes on, and are what they were when everything waited for them."""

import errno
import itertools
import multiprocessing
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest
import torch

from polytask import AsynchronousConvergence, Callback, fit
from polytask.training import EventLog
from polytask.training.checkpoints import checkpoint_steps, training_state
from polytask.training.trees import load_tree
from small_training import Interrupt, assert_same_result, differences, make_model, make_rows, small_settings

ROWS, VALIDATION = make_rows(), make_rows(600, seed=1)
OFTEN = 1e-9  # seconds between two; 0 would be one after every step


def run(folder=None, *callbacks, seconds=OFTEN, log=None):
    return fit(
        make_model(dropout=0.2),
        train=ROWS,
        validation=VALIDATION,
        callbacks=[*callbacks, AsynchronousConvergence(patience=1, min_evaluations=2, teachers=2, tail=3)],
        settings=small_settings(steps=40, checkpoint_seconds=seconds),
        folder=folder,
        log=log,
    )


@pytest.fixture(scope="module")
def uninterrupted():
    return run()


class Watch(Callback):
    """Tells other threads how far the training is, and keeps its state at one step."""

    name = "watch"

    def __init__(self, copy_at=None):
        self.copy_at, self.moved, self.now = copy_at, threading.Condition(), 0

    def before_step(self, training, batch):
        if training.step == self.copy_at:
            generator = torch.get_rng_state()
            self.state, self.model = training_state(training), training.model.state_dict()
            self.model = {name: value.clone() for name, value in self.model.items()}
            assert torch.equal(generator, torch.get_rng_state())
        with self.moved:
            self.now = training.step
            self.moved.notify_all()

    def wait_for(self, step):
        with self.moved:
            return self.moved.wait_for(lambda: self.now >= step, timeout=60)


class Disk:
    """Does something before the content of a checkpoint, or of another file, is on the disk."""

    def __init__(self, monkeypatch, before, kind="checkpoint-"):
        self.before, self.fsync, self.names = before, os.fsync, []
        self.step = re.compile(rf"\.{kind}(\d+)\.safetensors")
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, descriptor):
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        self.names.append(name)
        if found := self.step.match(name):
            self.before(int(found[1]))
        self.fsync(descriptor)


def test_training_goes_on_while_a_disk_is_slow(tmp_path, monkeypatch, uninterrupted):
    watch, written = Watch(), []

    def slow(step):
        assert threading.current_thread() is not threading.main_thread()
        written.append(step)
        if step < 20:
            assert watch.wait_for(step + 4), "training waits for the disk"

    Disk(monkeypatch, slow)
    assert_same_result(run(tmp_path, watch), uninterrupted, callbacks=False)
    assert written[:2] == [0, written[1]] and written[1] >= 3  # one at a time; the next at the next chance
    assert all(b - a >= 3 for a, b in itertools.pairwise(written) if a < 20)


def test_a_checkpoint_is_the_state_of_its_step_whatever_comes_after(tmp_path, monkeypatch, uninterrupted):
    """It is written when the training has made five more steps, a switch to soft labels among them."""
    watch, found = Watch(), {}

    def slow(step):
        if step < 20:
            assert watch.wait_for(step + 5)

    Disk(monkeypatch, slow)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, watch, Interrupt(27))
    for step in checkpoint_steps(tmp_path):
        found[step] = load_tree(tmp_path / f"checkpoint-{step}.safetensors")
    assert len(found) == 2
    for step, state in found.items():
        seen = Watch(step)
        run(None, seen)
        assert state["step"] == step
        assert differences(state["model"], seen.model) == []
        assert differences(state["rng"], seen.state["rng"]) == []
    assert_same_result(run(tmp_path, Watch(), Interrupt()), uninterrupted, callbacks=False)


def test_training_goes_on_while_a_snapshot_is_written_and_its_checkpoint_waits(tmp_path, monkeypatch, uninterrupted):
    watch = Watch()

    def slow(step):
        assert threading.current_thread() is not threading.main_thread()
        assert step > 8 or watch.wait_for(step + 3), "training waits for the disk"
        time.sleep(0.1)

    disk = Disk(monkeypatch, slow, kind="")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, watch, Interrupt(17))
    for name in (name for name in disk.names if name.startswith(".checkpoint-")):
        needed = load_tree_of(tmp_path, name)
        written = disk.names[: disk.names.index(name)]
        assert all(any(other.startswith(f".{step}.safetensors") for other in written) for step in needed)
    assert_same_result(run(tmp_path, watch, Interrupt()), uninterrupted, callbacks=False)


def load_tree_of(folder, temporary):
    """Steps of the snapshots that a checkpoint refers to; none if the checkpoint has been dropped."""
    path = folder / (temporary.split(".safetensors")[0].removeprefix(".") + ".safetensors")
    return {load_tree(path)["returned"]["step"]} - {-1} if path.exists() else set()


@pytest.mark.parametrize("seconds", [0, OFTEN])
def test_no_checkpoint_refers_to_a_snapshot_that_could_not_be_written(tmp_path, monkeypatch, uninterrupted, seconds):
    watch = Watch()
    with monkeypatch.context() as patch:
        Disk(patch, lambda step: full(step) if step >= 8 else None, kind="")
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path, watch, seconds=seconds)
    steps = {int(path.stem) for path in (tmp_path / "snapshots").glob("*.safetensors")}
    for step in checkpoint_steps(tmp_path) - {0}:
        needed = load_tree(tmp_path / f"checkpoint-{step}.safetensors")["returned"]["step"]
        assert needed in {-1, *steps}  # none before the first evaluation
    assert not list(tmp_path.rglob("*.tmp"))
    assert_same_result(run(tmp_path, watch), uninterrupted, callbacks=False)


def full(step):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("seconds", [0, OFTEN, 1000.0])
def test_a_full_disk_ends_the_training_at_the_next_step(tmp_path, monkeypatch, seconds):
    watch = Watch()
    disk = Disk(monkeypatch, lambda step: full(step) if step >= (0 if seconds > 1 else 8) else None)
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path, watch, seconds=seconds)
    assert disk.names and not list(tmp_path.rglob("*.tmp"))
    assert seconds or watch.now <= 9


def test_a_full_disk_at_the_end_is_an_error(tmp_path, monkeypatch):
    watch = Watch()

    def at_the_end(step):
        watch.wait_for(39)
        full(step)

    Disk(monkeypatch, at_the_end)
    with pytest.raises(OSError, match="No space left"):
        fit(make_model(), train=ROWS, validation=VALIDATION, callbacks=[watch], folder=tmp_path,
            settings=small_settings(steps=40, checkpoint_seconds=1000.0))  # fmt: skip
    assert not (tmp_path / "result.safetensors").exists()


class Signal(Callback):
    name = "signal"

    def before_step(self, training, batch):
        if training.step == 6:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_is_no_way_to_end_well_on_a_full_disk(tmp_path, monkeypatch):
    Disk(monkeypatch, lambda step: full(step) if step else None)
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path, Signal(), seconds=1000.0)


def test_what_ended_the_training_is_reported_and_a_full_disk_too(tmp_path, monkeypatch):
    watch = Watch()

    def late(step):
        watch.wait_for(5)
        full(step)

    Disk(monkeypatch, late)
    with pytest.warns(UserWarning, match="checkpoint could not be written: .*No space"), pytest.raises(RuntimeError):
        run(tmp_path, watch, Fail(), seconds=1000.0)


class Fail(Callback):
    name = "fail"

    def before_step(self, training, batch):
        if training.step == 5:
            raise RuntimeError("anything")


def test_a_checkpoint_in_the_making_is_finished_when_the_training_fails(tmp_path, monkeypatch):
    watch = Watch()
    Disk(monkeypatch, lambda step: watch.wait_for(5))
    with pytest.raises(RuntimeError):
        run(tmp_path, watch, Fail(), seconds=1000.0)
    assert checkpoint_steps(tmp_path) == {0} and not list(tmp_path.rglob("*.tmp"))


def test_the_log_is_on_the_disk_before(tmp_path, monkeypatch):
    disk = Disk(monkeypatch, lambda step: None)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", Interrupt(3), seconds=0, log=EventLog(tmp_path / "metrics.jsonl"))
    content = [number for number, name in enumerate(disk.names) if name.startswith(".checkpoint-")]
    assert len(content) == 4
    for number in content:
        assert disk.names[number - 1] == "metrics.jsonl" and disk.names[number + 1] == "run"


def killed(folder, at):
    """Dies when the content of checkpoint ``at`` has been written and not yet renamed."""
    fsync = os.fsync

    def die(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").readlink().name.startswith(f".checkpoint-{at}."):
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)

    os.fsync = die
    run(folder, Watch(), Interrupt(), seconds=0)


def test_killed_in_the_middle_of_a_write_the_one_before_is_used(tmp_path, uninterrupted):
    process = multiprocessing.get_context("fork").Process(target=killed, args=(tmp_path, 17))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert max(checkpoint_steps(tmp_path)) == 16
    assert_same_result(run(tmp_path, Watch(), Interrupt()), uninterrupted, callbacks=False)
