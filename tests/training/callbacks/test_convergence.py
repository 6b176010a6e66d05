"""Asynchronous convergence: who switches when, and what that means for training."""

import json
import math

import pytest
import torch

from polytask import AsynchronousConvergence, Callback, Rows, Task, UserError
from polytask.training.evaluation import task_outputs
from polytask.training.events import EventLog
from polytask.training.loop import Training
from polytask.uncertainty import BLOCKS, Estimate
from small_training import TASKS, Interrupt, assert_same_result, differences, make_model, make_rows, train

NAN = math.nan


class Script(Callback):
    """Puts numbers of our choice instead of the validation metrics; the last ones are repeated."""

    name = "script"

    def __init__(self, **histories):
        self.histories = histories

    def after_evaluation(self, training, evaluation):
        for name, curve in self.histories.items():
            evaluation.validation[name] = value = curve[min(len(training.history), len(curve)) - 1]
            training.measured[name] = Estimate.exact(value)


class Edit(Callback):
    """Calls ``action(training)`` before every step."""

    name = "edit"

    def __init__(self, action):
        self.action = action

    def before_step(self, training, batch):
        self.action(training)


RISING = [0.5 + 0.01 * number for number in range(100)]
PEAK_AT_3 = [0.6, 0.7, 0.9, 0.8]
EARLY = {"patience": 2, "min_evaluations": 0, "teachers": 1}


def scripted(callback, *others, histories=None, steps=40, **options):
    """A training of four tasks, of which those not named rise for ever."""
    histories = {task.name: RISING for task in TASKS} | (histories or {})
    return train(Script(**histories), callback, *others, settings={"steps": steps}, **options)


def epochs(result):
    return {name: task.converged_epoch for name, task in result.tasks.items()}


def epoch_at(evaluation: int) -> float:
    return round(4 * evaluation / 5, 4)  # five steps per epoch, four per evaluation


def test_a_task_switches_when_its_patience_is_over_and_the_others_go_on():
    result = scripted(AsynchronousConvergence(**EARLY), histories={"spam": PEAK_AT_3})
    assert epochs(result) == {"spam": epoch_at(5), "price": None, "topic": None, "click": None}
    assert result.tasks["spam"].peak == 0.9
    assert result.tasks["spam"].best_epoch == epoch_at(3)
    assert result.steps == 40


def test_several_tasks_may_converge_at_one_evaluation():
    result = scripted(AsynchronousConvergence(**EARLY), histories={"spam": PEAK_AT_3, "topic": PEAK_AT_3})
    assert epochs(result) == {"spam": epoch_at(5), "price": None, "topic": epoch_at(5), "click": None}


def test_training_ends_a_tail_after_all_have_converged():
    histories = {task.name: PEAK_AT_3 for task in TASKS} | {"click": [0.6, 0.7, 0.8, 0.85, 0.9, 0.8]}
    result = scripted(AsynchronousConvergence(**EARLY, tail=2), histories=histories)
    assert epochs(result)["click"] == epoch_at(7)
    assert result.steps == 4 * (7 + 2)


def test_one_task_that_never_converges_keeps_all_going():
    histories = {task.name: PEAK_AT_3 for task in TASKS} | {"click": RISING}
    result = scripted(AsynchronousConvergence(**EARLY, tail=0), histories=histories)
    assert result.steps == 40
    assert epochs(result)["click"] is None


@pytest.mark.parametrize(("curve", "steps"), [([0.5], 152), ([0.505], 152), ([NAN], 20)])
def test_a_task_that_has_not_begun_does_not_converge_and_is_waited_for_three_quarters_of_the_budget(curve, steps):
    histories = {task.name: PEAK_AT_3 for task in TASKS} | {"spam": curve}
    result = scripted(AsynchronousConvergence(**EARLY, tail=0), histories=histories, steps=200)
    assert epochs(result)["spam"] is None
    assert result.steps == steps


def test_a_late_starter_is_neither_frozen_nor_given_up():
    histories = {task.name: PEAK_AT_3 for task in TASKS} | {"spam": [0.5] * 30 + [0.6, 0.9, 0.85]}
    result = scripted(AsynchronousConvergence(**EARLY, tail=0), histories=histories, steps=200)
    assert epochs(result)["spam"] == epoch_at(34) and result.tasks["spam"].peak == 0.9


def test_a_task_that_may_not_converge_yet_holds_up_the_end():
    histories = {task.name: PEAK_AT_3 for task in TASKS}
    callback = AsynchronousConvergence(patience=2, min_evaluations=14, teachers=1, tail=0)
    result = scripted(callback, histories=histories, steps=80)
    assert set(epochs(result).values()) == {epoch_at(14)}
    assert result.steps == 4 * 14


def test_undefined_metrics_are_evaluations_without_improvement():
    result = scripted(AsynchronousConvergence(**EARLY), histories={"spam": [NAN, 0.8, NAN, NAN, 0.7]})
    assert epochs(result)["spam"] == epoch_at(4)
    assert result.tasks["spam"].peak == 0.8


def test_with_endless_patience_training_is_plain_training_bit_for_bit():
    rows = make_rows(missing=0.3)
    model = lambda: make_model(dropout=0.3, norm=True)  # noqa: E731
    plain = train(Callback(), train=rows, model=model(), settings={"steps": 60})
    patient = train(AsynchronousConvergence(10**6), train=rows, model=model(), settings={"steps": 60})
    assert plain.steps == patient.steps == 60
    assert_same_result(plain, patient, callbacks=False)


def test_until_the_first_switch_training_is_plain_training_bit_for_bit():
    plain = scripted(Callback())
    switched = scripted(AsynchronousConvergence(**EARLY), histories={"spam": PEAK_AT_3})
    # Losses are those since the last evaluation; the switch is at the fifth.
    losses = [[evaluation.losses for evaluation in result.history] for result in (plain, switched)]
    assert differences(losses[0][:5], losses[1][:5]) == []
    assert losses[0][5] != losses[1][5]


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_after_the_switch_true_labels_have_no_influence(missing):
    def spoil(training):
        if training.objective.soft:
            assert list(training.objective.soft) == [0]
            training.train.targets[:, 0] = torch.randint(0, 2, (96,), generator=torch.Generator().manual_seed(9))

    def run(action):
        callback = AsynchronousConvergence(**EARLY)
        rows = make_rows(missing=missing)
        return scripted(callback, Edit(action), histories={"spam": PEAK_AT_3}, train=rows)

    assert_same_result(run(lambda training: None), run(spoil))


class Recorder(Callback):
    """The model's outputs at every evaluation, and the soft labels at the end."""

    name = "recorder"

    def __init__(self):
        self.outputs, self.soft = {}, {}

    def after_evaluation(self, training, evaluation):
        self.outputs[len(training.history)] = task_outputs(training.model, training.train, range(len(training.tasks)))
        self.soft = training.objective.soft


def stored(labels):
    return labels.outputs[:, labels.column]


def test_soft_labels_are_the_outputs_of_the_best_parameters_in_evaluation_mode():
    recorder = Recorder()
    histories = {"spam": PEAK_AT_3, "topic": [0.6, 0.7, 0.8, 0.9, 0.8]}
    model = make_model(dropout=0.4, norm=True)
    scripted(AsynchronousConvergence(**EARLY), recorder, histories=histories, model=model)
    assert sorted(recorder.soft) == [0, 2]
    assert torch.equal(stored(recorder.soft[0]), recorder.outputs[3][0])
    assert torch.equal(stored(recorder.soft[2]), recorder.outputs[4][2])


def test_soft_labels_of_several_teachers_predict_the_mean_of_the_best_evaluations():
    recorder = Recorder()
    callback = AsynchronousConvergence(patience=2, min_evaluations=0, teachers=3)
    scripted(callback, recorder, histories={"topic": [0.5, 0.9, 0.95, 0.8, 0.7]})
    mean = torch.stack([recorder.outputs[number][2].softmax(-1) for number in (2, 3, 4)]).mean(0)
    torch.testing.assert_close(stored(recorder.soft[2]).softmax(-1), mean)


def test_what_teachers_reach_is_measured_from_the_outputs_of_their_evaluations(monkeypatch):
    measure, found = Training.measure_mean, []

    def both(self, chosen, known):
        assert {(position, step) for position, steps in chosen.items() for step in steps} <= known.keys()
        kept, again = measure(self, chosen, known), measure(self, chosen)
        found.extend((kept[name], again[name]) for name in kept)
        return kept

    monkeypatch.setattr(Training, "measure_mean", both)
    callback = AsynchronousConvergence(patience=2, min_evaluations=0, teachers=3)
    scripted(callback, histories={"topic": [0.5, 0.9, 0.95, 0.8, 0.7]}, model=make_model(dropout=0.4, norm=True))
    ((kept, again),) = found
    assert kept.value == again.value and torch.equal(kept.blocks, again.blocks)


def test_the_switch_leaves_parameters_modes_and_random_state_alone():
    class Check(Callback):
        name = "check"

        def after_evaluation(self, training, evaluation):
            self.before = {name: value.clone() for name, value in training.model.state_dict().items()}
            self.random = torch.get_rng_state()

    class CheckAfter(Check):
        def after_evaluation(self, training, evaluation):
            assert torch.equal(torch.get_rng_state(), first.random)
            assert differences(first.before, dict(training.model.state_dict())) == []
            self.switched = bool(training.objective.soft)

    first, last = Check(), CheckAfter()
    histories = {task.name: RISING for task in TASKS} | {"spam": PEAK_AT_3}
    model = make_model(dropout=0.4, norm=True)
    train(Script(**histories), first, AsynchronousConvergence(**EARLY), last, model=model)
    assert last.switched


def test_a_converged_task_keeps_its_peak_while_its_labels_would_pull_it_down():
    # The labels of `spam` are turned round after the switch, those of a plain training at the same step.
    def turn(training):
        if training.step == 20:
            training.train.targets[:, 0] = 1 - training.train.targets[:, 0]

    def run(callback):
        return scripted(callback, Edit(turn), histories={"spam": PEAK_AT_3}, train=make_rows(), steps=100)

    def agreement(result):
        rows = make_rows(600, seed=1)
        return float(((result.model(rows.inputs)["spam"] > 0) == rows.targets[:, 0].bool()).float().mean())

    assert agreement(run(AsynchronousConvergence(**EARLY))) > 0.5 > agreement(run(Callback()))


def test_a_task_without_labels_for_whole_epochs_is_left_in_peace():
    rows = make_rows(200)
    observed = torch.ones_like(rows.targets, dtype=torch.bool)
    observed[1:, 3] = False  # one label in two hundred rows
    rows = Rows(rows.inputs, rows.targets, observed)
    result = train(AsynchronousConvergence(**EARLY), train=rows, settings={"batch_size": 5, "steps": 30})
    assert all(torch.isfinite(value).all() for value in result.model.state_dict().values())
    assert math.isnan(result.history[0].losses["click"]) or math.isfinite(result.history[0].losses["click"])


def test_one_task_alone_converges_too():
    result = train(Script(spam=PEAK_AT_3), AsynchronousConvergence(**EARLY, tail=0), model=make_model([Task("spam")]))
    assert result.tasks["spam"].converged_epoch == epoch_at(5)
    assert result.steps == 20


def test_a_callback_used_again_starts_afresh():
    callback = AsynchronousConvergence(**EARLY)
    histories = {"spam": PEAK_AT_3}
    assert_same_result(scripted(callback, histories=histories), scripted(callback, histories=histories))


def test_parameters_of_the_time_after_the_switches_are_preferred():
    histories = {task.name: [*PEAK_AT_3, 0.8, 0.8, 0.9] for task in TASKS}
    result = scripted(AsynchronousConvergence(**EARLY, tail=3), histories=histories)
    assert result.epoch == epoch_at(7)


@pytest.mark.parametrize(
    "options",
    [{"patience": 0}, {"teachers": 0}, {"min_evaluations": -1}, {"tail": -1}, {"min_delta": -0.1},
     {"min_delta": NAN}, {"temperature": 0.0}, {"kd_weight": 0.0}, {"min_errors": -1.0},
     {"min_errors": 1.0, "test": "slope"}],
)  # fmt: skip
def test_an_unusable_setting_is_refused_by_name(options):
    with pytest.raises(UserError, match=next(iter(options))):
        AsynchronousConvergence(**options)


def test_all_unusable_settings_are_shown_at_once():
    with pytest.raises(UserError) as error:
        AsynchronousConvergence(0, teachers=0, temperature=-1)
    assert len(error.value.problems) == 3


class Measured(Script):
    """The same numbers with a standard error of about .01, mostly shared by all evaluations of a task."""

    def after_evaluation(self, training, evaluation):
        super().after_evaluation(training, evaluation)
        noise = torch.randn(2, BLOCKS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        own = torch.randn(BLOCKS, dtype=torch.float64, generator=torch.Generator().manual_seed(len(training.history)))
        for name in self.histories:
            blocks = (noise[0] + 0.1 * own) * 0.01 / BLOCKS**0.5
            training.measured[name] = Estimate(evaluation.validation[name], blocks, 500)


class Events(Callback):
    """The tasks that learn from soft labels at every evaluation."""

    name = "events"

    def __init__(self):
        self.soft = []

    def after_evaluation(self, training, evaluation):
        self.soft.append(sorted(training.objective.soft))


OVERTAKES = [0.6, 0.7, 0.9, 0.8, 0.8, 0.8, 0.8, 1.0]
WITHIN_ERROR = [*OVERTAKES[:-1], 0.9003]


@pytest.mark.parametrize(
    ("curve", "reopen", "reopened"), [(OVERTAKES, True, True), (OVERTAKES, False, False), (WITHIN_ERROR, True, False)]
)
def test_a_held_task_that_overtakes_its_teacher_by_more_than_chance_has_its_labels_again(
    tmp_path, curve, reopen, reopened
):
    def run(folder, interrupt=None):
        histories = {task.name: RISING for task in TASKS} | {"spam": curve}
        events, log = Events(), EventLog(tmp_path / f"{folder.name}.jsonl")
        others = (AsynchronousConvergence(**EARLY, reopen=reopen), events, interrupt or Interrupt())
        settings = {"steps": 48, "checkpoint_seconds": 0.0}
        result = train(Measured(**histories), *others, settings=settings, folder=folder, log=log)
        lines = (tmp_path / f"{folder.name}.jsonl").read_text().splitlines()
        return result, events.soft, [event for line in lines if (event := json.loads(line))["event"] == "reopened"]

    whole, soft, said = run(tmp_path / "whole")
    assert soft[4:7] == [[0]] * 3
    assert [event["task"] for event in said] == ["spam"] * reopened
    assert (soft[7] == []) == reopened and (whole.tasks["spam"].converged_epoch != epoch_at(5)) == reopened
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "again", Interrupt(34))
    assert_same_result(run(tmp_path / "again")[0], whole, callbacks=False)
