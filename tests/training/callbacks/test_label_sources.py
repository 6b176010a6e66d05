"""Stored and online teachers, the distances to them, and what is done after a switch."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import pytest
import torch

from polytask import AsynchronousConvergence, Callback, Rows, SoftLabels, Task, UserError
from polytask.task import KINDS
from polytask.training import Training
from polytask.training.callbacks.inference import Inference, TeacherOutputs
from polytask.training.callbacks.label_sources import StoredLabels
from small_training import RARE, TASKS, Interrupt, assert_same_result, differences, make_model, make_rows, train

QUICK = {"patience": 2, "min_evaluations": 2, "tail": 2}


def run(*callbacks: Callback, folder: Path | None = None, steps: int = 80, seconds: float = 0.0, **options):
    callback = AsynchronousConvergence(**{**QUICK, **options})
    settings = {"steps": steps, "checkpoint_seconds": seconds}
    return train(callback, *callbacks, train=make_rows(missing=0.2), model=make_model(dropout=0.2, norm=True),
                 settings=settings, folder=folder)  # fmt: skip


@pytest.mark.parametrize("teachers", [1, 3])
def test_on_inputs_that_do_not_change_online_and_stored_labels_are_the_same(teachers):
    class Compare(Callback):
        name = "compare"
        compared = 0

        def after_evaluation(self, training, evaluation):
            method, batch = training.callbacks[0], training.train[torch.arange(10)]
            training.rows_ahead = lambda begin: None  # any row is asked for
            for position, labels in training.objective.soft.items():
                stored = StoredLabels(training, half=False, unlabelled=True)
                stored.record({position: method.monitors[training.tasks[position].name].top_steps}, {})
                outputs, column = stored.labels(position)
                torch.testing.assert_close(labels.of(batch), outputs[batch.ids, column])
                self.compared += 1

    compare = Compare()
    run(compare, teachers=teachers, soft_labels="online")
    assert compare.compared > 3


def test_an_online_teacher_sees_the_changed_inputs():
    class Augment(Callback):
        """Adds noise to the inputs of a batch, in place."""

        name = "augment"
        found: list[bool] = []  # noqa: RUF012

        def before_step(self, training: Training, batch) -> None:
            batch.inputs.add_(torch.randn(batch.inputs.shape, generator=torch.Generator().manual_seed(training.step)))
            for labels in training.objective.soft.values():
                again = type(batch)(batch.inputs.clone(), batch.targets, batch.observed, batch.ids)
                self.found.append(torch.equal(labels.of(batch), labels.of(again)))
                clean = type(batch)(training.train.inputs[batch.ids], batch.targets, batch.observed, batch.ids)
                self.found.append(not torch.equal(labels.of(batch), labels.of(clean)))

    run(Augment(), soft_labels="online")
    assert Augment.found and all(Augment.found)


@cache
def uninterrupted(**options):
    return run(Interrupt(), **options)


@pytest.mark.parametrize("options", [{"soft_labels": "online"}, {"reopen": True}, {"reopen": True, "half": True}])
@pytest.mark.parametrize("step", [13, 25, 42])
def test_an_interrupted_training_continues_bit_for_bit(tmp_path, options, step):
    with pytest.raises(KeyboardInterrupt):
        run(Interrupt(step), folder=tmp_path, **options)
    resumed = run(Interrupt(), folder=tmp_path, seconds=RARE, **options)
    assert_same_result(resumed, uninterrupted(**options), callbacks=False)


@pytest.mark.parametrize("options", [{}, {"unlabelled": True}, {"reopen": True}])
def test_rows_that_are_not_drawn_any_more_need_no_labels(monkeypatch, options):
    inferred: list[int] = []
    infer = TeacherOutputs._infer

    def counted(self: TeacherOutputs, step: int, made: Inference) -> None:
        drawn = None if made.begin is None else self._training.rows_ahead(made.begin)
        inferred.append(len(self._training.train) if drawn is None else int(drawn.sum()))
        infer(self, step, made)

    monkeypatch.setattr(TeacherOutputs, "_infer", counted)
    settings = {"batch_size": 8, "evaluate_every": 2, "steps": 20}  # an epoch has 12 steps
    few = train(AsynchronousConvergence(**QUICK, **options), train=make_rows(missing=0.2), settings=settings)
    assert min(inferred) < 96 and few.callbacks["asynchronous_convergence"]["convergence"]["converged_at"]
    monkeypatch.setattr(Training, "rows_ahead", lambda self, begin: None)
    every = train(AsynchronousConvergence(**QUICK, **options), train=make_rows(missing=0.2), settings=settings)
    for name, value in few.model.state_dict().items():  # sums over other numbers of rows differ in the last digits
        torch.testing.assert_close(value, every.model.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_tasks_on_other_rows_are_not_inferred_together(monkeypatch):
    together: list[list[int]] = []
    infer = TeacherOutputs._infer
    monkeypatch.setattr(TeacherOutputs, "_infer", lambda self, step, made: (
        together.append(made.positions), infer(self, step, made)))  # fmt: skip
    rows = make_rows()
    observed = torch.ones(len(rows), len(TASKS), dtype=torch.bool)
    observed[:48, :2], observed[48:, 2:] = False, False  # two tasks on each half
    train(AsynchronousConvergence(**QUICK), train=Rows(rows.inputs, rows.targets, observed), settings={"steps": 80})
    assert together and all(set(positions) <= {0, 1} or set(positions) <= {2, 3} for positions in together)


def test_a_training_of_which_labels_were_recorded_cannot_become_longer(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(Interrupt(60), folder=tmp_path)
    with pytest.raises(UserError, match="soft labels were recorded for a training of 80 steps, found 90"):
        run(Interrupt(), folder=tmp_path, steps=90)


def test_restoring_goes_back_to_the_best_parameters_of_the_task_that_has_converged():
    class Watch(Callback):
        name = "watch"
        restored: list[bool] = []  # noqa: RUF012

        def after_evaluation(self, training, evaluation):
            method = training.callbacks[0]
            newly = [name for name, step in method.converged_at.items() if step == training.step]
            if newly:
                best = training.snapshots.load(max(method.monitors[name].kept_step for name in newly))
                self.restored.append(differences(dict(training.model.state_dict()), dict(best)) == [])
                assert not training.optimizer.state

    for teachers, min_delta in product((1, 3), (0.0, 1.0)):  # with the larger one a peak is not the best evaluation
        watch = Watch()
        watch.restored = []
        run(watch, restore=True, teachers=teachers, min_delta=min_delta)
        assert watch.restored and all(watch.restored)


@pytest.mark.parametrize("returned", ["last", "last_task"])
def test_which_parameters_are_returned(returned):
    class Watch(Callback):
        name = "watch"
        found: dict[int, dict[str, float]] = {}  # noqa: RUF012

        def after_evaluation(self, training, evaluation):
            self.method, self.every = training.callbacks[0], training.stream.steps_per_epoch
            self.newest, self.chosen = evaluation.validation, training.returned
            self.found[evaluation.step] = evaluation.validation

    watch = Watch()
    result = run(watch, returned=returned, steps=200, reopen=False)  # a task that is taken back begins again
    switches = watch.method.converged_at
    assert len(switches) >= 3
    if returned == "last":
        lost = watch.chosen.score(watch.chosen.values).value - watch.chosen.score(watch.newest).value
        assert result.epoch == round(result.steps / watch.every, 4) or lost > 0
        assert result.epoch * watch.every >= max(switches.values())
    else:
        order = sorted(switches.values())
        last = watch.method.monitors[max(switches, key=switches.get)]
        if len(order) == 4 and order[2] < last.best_step:
            score = watch.chosen.score  # what another evaluation keeps beyond chance better is returned instead
            lost = score(watch.chosen.values).value - score(watch.found[last.best_step]).value
            assert result.epoch == round(last.best_step / watch.every, 4) or lost > 0


def test_distances_by_hand():
    outputs, teacher = torch.tensor([0.3, -1.0]), torch.tensor([1.2, 2.0])
    binary = KINDS["binary"].soft_losses["cross_entropy"](outputs, teacher, 1.0)
    assert float(binary[0]) == pytest.approx(0.623798, abs=1e-6)
    torch.testing.assert_close(KINDS["binary"].soft_losses["logits"](outputs, teacher, 1.0), torch.tensor([0.81, 9.0]))
    torch.testing.assert_close(KINDS["regression"].soft_losses["l1"](outputs, teacher, 1.0), torch.tensor([0.9, 3.0]))
    torch.testing.assert_close(
        KINDS["regression"].soft_losses["huber"](outputs, teacher, 1.0), torch.tensor([0.405, 2.5])
    )
    logits, wanted = torch.tensor([[1.0, 0.5, 0.0]]), torch.tensor([[2.0, 0.0, -1.0]])
    torch.testing.assert_close(
        KINDS["multiclass"].soft_losses["logits"](logits, wanted, 1.0), torch.tensor([(1 + 0.25 + 1) / 3])
    )


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_cross_entropy_has_the_gradient_of_the_divergence(kind):
    generator = torch.Generator().manual_seed(0)
    shape = (5, 3) if kind == "multiclass" else (5,)
    outputs, teacher = (torch.randn(shape, generator=generator, requires_grad=True) for _ in range(2))
    gradients = [torch.autograd.grad(loss(outputs, teacher.detach(), 2.0).sum(), outputs)[0]
                 for loss in (KINDS[kind].soft_losses["cross_entropy"], KINDS[kind].soft_loss)]  # fmt: skip
    torch.testing.assert_close(*gradients)


def test_soft_labels_use_the_distance_by_name():
    labels = SoftLabels(torch.tensor([1.0]), soft_loss="logits")
    assert float(labels.loss(KINDS["binary"], torch.tensor([3.0]), torch.tensor([1.0]))) == 4.0


@pytest.mark.parametrize(
    ("options", "words"),
    [({"soft_labels": "onlin"}, "did you mean"), ({"soft_loss": "kl"}, "soft_loss"), ({"returned": "best"}, "returned"),
     ({"soft_labels": "online", "half": True}, "half"), ({"soft_loss": "l1", "temperature": 2.0}, "no effect")],
)  # fmt: skip
def test_unusable_settings_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        AsynchronousConvergence(**options)


def test_settings_that_fit_no_task_are_refused():
    with pytest.raises(UserError, match="fits no task"):
        train(AsynchronousConvergence(soft_loss="huber"), model=make_model([Task("a"), Task("b")]))
    with pytest.raises(UserError, match="did you mean 'spam'"):
        train(AsynchronousConvergence(test="fixed", fixed_step={"spma": 8}), model=make_model(TASKS))
