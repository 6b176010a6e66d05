"""A training that was interrupted anywhere ends bit-equal to one that was not."""

import json
from functools import partial

import pytest
import torch

from polytask import AsynchronousConvergence, Callback, fit
from polytask.balancing import DWA
from polytask.distillation import SoftLabelStore
from polytask.training import EventLog, callbacks, snapshots
from polytask.training.callbacks import AffinityProbe
from small_training import RARE, Interrupt, assert_same_result, make_model, make_rows, small_settings, train

ROWS, VALIDATION = make_rows(missing=0.3), make_rows(700, seed=1)
STEPS = 60


def full(folder=None, interrupt=None, log=None, converge=True, seconds=0.0):
    """Everything that has state: dropout, BatchNorm, probes, convergence, a balancer, momentum, absent labels."""
    others = [AsynchronousConvergence(patience=1, min_evaluations=2, teachers=3, tail=3)] if converge else []
    return fit(
        make_model(dropout=0.3, norm=True),
        train=ROWS,
        validation=VALIDATION,
        balancer=DWA(),
        callbacks=[interrupt or Interrupt(), AffinityProbe(every=7), *others],
        settings=small_settings(steps=STEPS, checkpoint_seconds=seconds, weight_decay=0.01, gradient_clip=1.0),
        seed=3,
        folder=folder,
        log=log,
    )


@pytest.fixture(scope="module")
def uninterrupted():
    return full()


def test_the_example_has_phases_to_interrupt(uninterrupted):
    switches = [task.converged_epoch for task in uninterrupted.tasks.values()]
    assert all(switches)
    assert len(set(switches)) > 1
    assert uninterrupted.steps > 5 * max(switches) + 1


@pytest.mark.parametrize("step", [0, 1, 3, 4, 5, 9, 12, 17, 20, 21, 24, 28, 30])
def test_interrupted_before_any_step(tmp_path, uninterrupted, step):
    if step < uninterrupted.steps:
        with pytest.raises(KeyboardInterrupt):
            full(tmp_path, Interrupt(step))
    assert_same_result(full(tmp_path, seconds=RARE), uninterrupted)


def test_interrupted_again_and_again(tmp_path, uninterrupted):
    for step in range(2, uninterrupted.steps, 3):
        with pytest.raises(KeyboardInterrupt):
            full(tmp_path, Interrupt(step))
    assert_same_result(full(tmp_path), uninterrupted)


def test_checkpoints_that_are_rare_only_cost_time(tmp_path, uninterrupted):
    with pytest.raises(KeyboardInterrupt):
        full(tmp_path, Interrupt(20), seconds=RARE)
    assert_same_result(full(tmp_path), uninterrupted)


class Failing:
    """A function that fails at its nth call, before or after it has done its work."""

    def __init__(self, function, call: int, after: bool) -> None:
        self.function, self.left, self.after = function, call, after

    def __get__(self, instance, owner):
        return partial(self, instance)  # instead of a method

    def __call__(self, *arguments, **options):
        self.left -= 1
        if self.left == 0 and not self.after:
            raise KeyboardInterrupt
        value = self.function(*arguments, **options)
        if self.left == 0:
            raise KeyboardInterrupt
        return value


SWITCH, TEACHERS = callbacks.label_sources, callbacks.inference
PLACES = [
    (SWITCH, "SoftLabelStore"),
    (SoftLabelStore, "fill"),
    (TEACHERS, "shared_inference"),
    (TEACHERS, "map_labels"),
    (snapshots, "TreeCopy"),
    (snapshots, "load_tree"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("place", range(len(PLACES)))
def test_interrupted_inside_the_switch(tmp_path, monkeypatch, uninterrupted, place, call, after):
    module, name = PLACES[place]
    with monkeypatch.context() as patch:
        patch.setattr(module, name, Failing(getattr(module, name), call, after))
        with pytest.raises(KeyboardInterrupt):
            full(tmp_path)
    assert_same_result(full(tmp_path, seconds=RARE), uninterrupted)


def test_early_stopping_resumes(tmp_path):
    settings = {"steps": 200, "patience": 3, "checkpoint_seconds": 0.0}
    whole = train(Callback(), settings=settings)
    assert whole.steps < 200
    with pytest.raises(KeyboardInterrupt):
        train(Interrupt(whole.steps - 1), settings=settings, folder=tmp_path)
    assert_same_result(train(Interrupt(), settings=settings, folder=tmp_path), whole, callbacks=False)


def test_a_finished_training_gives_its_result_at_once(tmp_path, uninterrupted):
    full(tmp_path)
    again = full(tmp_path, Interrupt(0))
    assert_same_result(again, uninterrupted)


def test_a_finished_training_keeps_its_result_only(tmp_path):
    full(tmp_path)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.safetensors"))
    assert [path for path in left if not path.startswith("soft_labels/")] == ["result.safetensors"]
    assert not list((tmp_path / "snapshots").iterdir())


def events(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["time"]
        line.pop("seconds", None)
    return lines


def test_the_events_of_a_resumed_training_are_those_of_an_uninterrupted_one(tmp_path):
    full(tmp_path / "one", log=EventLog(tmp_path / "one.jsonl"), seconds=RARE)
    for step in (6, 18):
        with pytest.raises(KeyboardInterrupt):
            full(tmp_path / "two", Interrupt(step), log=EventLog(tmp_path / "two.jsonl"), seconds=RARE)
    full(tmp_path / "two", log=EventLog(tmp_path / "two.jsonl"), seconds=RARE)
    assert events(tmp_path / "two.jsonl") == events(tmp_path / "one.jsonl")


def test_a_training_does_not_depend_on_what_was_drawn_before(uninterrupted):
    torch.rand(7)
    assert_same_result(full(), uninterrupted)
