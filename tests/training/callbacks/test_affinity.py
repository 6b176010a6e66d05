"""Measuring affinity while training goes on as if nothing happened."""

import copy

import numpy as np
import pytest
import torch

from polytask import Callback, MultiTaskModel, Rows, Task, UserError
from polytask.balancing import TaskLosses
from polytask.grouping.affinity import affinity_of_losses, lookahead_losses, virtual_step
from polytask.grouping.confidence import measured_enough
from polytask.training.callbacks import AffinityProbe, affinity_from_state
from polytask.training.evaluation import evaluate
from small_training import TASKS, Interrupt, assert_same_result, make_model, make_rows, train

NAMES = [task.name for task in TASKS]


PROBES = {
    "exact": {"estimator": "lookahead", "every": 3},
    "own step": {"estimator": "lookahead", "lookahead": "optimizer", "every": 3},
    "gramian": {"estimator": "gramian", "every": 3},
    "gramian, own step": {"estimator": "gramian", "lookahead": "optimizer", "every": 3},
    "representation": {"estimator": "representation", "every": 3},
    "factored": {"estimator": "factored", "rows": 4, "refresh": 3},
}


@pytest.mark.parametrize(("missing", "optimizer"), [(0.0, "sgd"), (0.4, "adam")])
@pytest.mark.parametrize("probe", PROBES)
def test_a_training_with_probes_is_bit_equal_to_one_without(missing, optimizer, probe):
    results = [
        train(
            callback,
            train=make_rows(missing=missing),
            model=make_model(dropout=0.4, norm=True),
            settings={"optimizer": optimizer, "weight_decay": 0.01},
        )
        for callback in (Callback(), AffinityProbe(**PROBES[probe]))
    ]
    assert_same_result(*results, callbacks=False)
    assert results[1].callbacks["affinity"]["statistics"]["samples"] > 10


@pytest.mark.parametrize("probe", ["own step", "factored"])
def test_a_measurement_that_was_interrupted_goes_on_as_if_it_had_not(probe, tmp_path):
    def run(step=None, folder=None):
        return train(
            AffinityProbe(**PROBES[probe]), Interrupt(step), folder=folder, settings={"checkpoint_seconds": 0.0}
        )

    with pytest.raises(KeyboardInterrupt):
        run(17, tmp_path)
    assert_same_result(run(), run(folder=tmp_path))


def samples(**options):
    affinity = affinity_from_state(train(AffinityProbe(**options)).callbacks["affinity"], NAMES)
    return affinity, affinity.windows.steps[:, 0].tolist()


def test_probes_come_at_every_nth_step_from_start_to_stop():
    assert samples(estimator="lookahead", every=7)[1] == [0, 7, 14, 21, 28, 35]
    assert samples(estimator="gramian", every=7, start=3, stop=24)[1] == [3, 10, 17]
    automatic = samples()[0].meta
    assert (automatic["estimator"], automatic["samples"]) == ("factored", 20)


class Evaluating(Callback):
    """Looks at the network before steps, as methods do that compare it with teachers."""

    name = "evaluating"

    def before_step(self, training, batch):
        evaluate(training.evaluated, training.validation)


@pytest.mark.parametrize("estimator", ["factored", "gramian", "lookahead"])
def test_what_others_evaluate_before_a_step_is_not_measured(estimator):
    found = [
        affinity_from_state(train(AffinityProbe(estimator=estimator), *others).callbacks["affinity"], NAMES).matrix
        for others in ([], [Evaluating()])
    ]
    np.testing.assert_array_equal(*found)


def test_the_gramian_is_the_lookahead_for_small_steps():
    options = {"settings": {"optimizer": "sgd", "learning_rate": 1e-3}, "model": make_model()}
    exact, first_order = (
        affinity_from_state(
            train(AffinityProbe(every=1, estimator=name), **copy.deepcopy(options)).callbacks["affinity"], NAMES
        ).matrix
        for name in ("lookahead", "gramian")
    )
    np.testing.assert_allclose(first_order, exact, rtol=0.02, atol=2e-6)


def linear_model():
    torch.manual_seed(5)
    return MultiTaskModel(torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Linear(8, 6)), TASKS)


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_factored_is_the_gramian_where_jacobians_do_not_differ_between_samples(missing):
    rows = make_rows(missing=missing)
    matrices = [
        affinity_from_state(train(probe, model=linear_model(), train=rows).callbacks["affinity"], NAMES).matrix
        for probe in (AffinityProbe(1, estimator="gramian"), AffinityProbe(1, estimator="factored", refresh=1))
    ]
    np.testing.assert_allclose(matrices[1], matrices[0], rtol=1e-4, atol=1e-7)


def test_estimators_that_do_not_fit_are_refused_and_auto_takes_another():
    tasks = [Task("a"), Task("b")]

    def model():
        torch.manual_seed(0)
        image = torch.nn.Unflatten(1, (1, 5))
        layers = [image, torch.nn.Conv1d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(12, 2)]
        return MultiTaskModel(torch.nn.Sequential(*layers), tasks)

    with pytest.raises(UserError, match=r"factored does not fit.* hold \d+% of the encoder's parameters"):
        train(AffinityProbe(estimator="factored"), model=model())
    result = train(AffinityProbe(), model=model())
    assert result.callbacks["affinity"]["settings"]["estimator"] == "gramian"
    assert result.callbacks["affinity"]["settings"]["every"] == 36


class ByHand(Callback):
    """The affinity of the first step, from losses computed task by task."""

    name = "by hand"

    def before_step(self, training, batch):
        if training.step:
            return

        def losses():
            outputs = training.model(batch.inputs)
            values = {
                task.name: task.definition.loss(outputs[task.name], batch.targets[:, position]).mean()
                for position, task in enumerate(TASKS)
            }
            return TaskLosses.from_mapping(values, NAMES)

        shared = list(training.model.encoder.parameters())
        step = virtual_step("sgd", training.optimizer, shared)
        before, after = lookahead_losses(training.model, losses, shared, step)
        self.matrix = affinity_of_losses(before.means, after)


def test_the_matrix_is_that_of_the_losses_of_a_step():
    hand = ByHand()
    result = train(hand, AffinityProbe(every=100, estimator="lookahead"))
    affinity = affinity_from_state(result.callbacks["affinity"], NAMES)
    np.testing.assert_allclose(affinity.matrix, hand.matrix.numpy(), atol=1e-6)
    assert affinity.tasks == tuple(NAMES)
    assert affinity.meta["samples"] == 1
    assert affinity.meta["standard_error"] == [[None] * 4] * 4
    assert (np.diag(affinity.matrix) > 0).all()


def test_pairs_are_counted_where_both_tasks_have_labels():
    rows = make_rows(missing=0.2)
    rows.observed[:, 0] &= torch.arange(96) < 2
    result = train(AffinityProbe(every=1), train=rows)
    counts = np.array(affinity_from_state(result.callbacks["affinity"], NAMES).meta["counts"])
    assert 0 < counts[0, 1] == counts[1, 0] == counts[0, 0] < counts[1, 1] == 40


def test_probing_ends_once_the_affinity_is_measured_well_enough(tmp_path):
    def run(step=None, folder=None):
        probe = AffinityProbe(3, stop="confident", enough=lambda affinity: affinity.meta["samples"] >= 5)
        return train(probe, Interrupt(step), folder=folder, settings={"checkpoint_seconds": 0.0})

    whole = run()
    for moment in (14, 30):
        with pytest.raises(KeyboardInterrupt):
            run(moment, tmp_path / str(moment))
        assert_same_result(whole, run(folder=tmp_path / str(moment)))
    meta = affinity_from_state(whole.callbacks["affinity"], NAMES).meta
    assert (meta["stop"], meta["samples"], whole.steps) == (16, 6, 40)  # sampled at 0, 3, .., 15; judged at 4, 8, ..
    never = train(AffinityProbe(3, stop="confident", enough=lambda affinity: False)).callbacks["affinity"]
    assert affinity_from_state(never, NAMES).meta["stop"] == "confident" and never["statistics"]["samples"] == 14
    assert_same_result(whole, train(Callback()), callbacks=False)


@pytest.mark.parametrize("known", [True, False])
def test_known_groups_end_the_measurement_and_unrelated_tasks_do_not(known):
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(256, 8, generator=draw)
    tasks = [Task(name, kind="regression") for name in "abcd"]
    noise = torch.randn(4, 256, generator=draw)
    score = [inputs[:, 0] if index < 2 else inputs[:, 1] for index in range(4)]
    labels = {task.name: score[i] + 0.1 * noise[i] if known else noise[i] for i, task in enumerate(tasks)}
    rows = Rows.from_labels(inputs, labels, tasks)
    torch.manual_seed(0)
    model = MultiTaskModel(torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU()), tasks)
    probe = AffinityProbe(1, stop="confident", enough=lambda affinity: measured_enough(affinity, (2,)))
    train(probe, model=model, train=rows, validation=rows, settings={"optimizer": "sgd", "batch_size": 16})
    assert (probe.end is not None) == known


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stop": "sure"}, "stop must be a whole number of at least 1, found 'sure'"),
        ({"every": 0}, "every must be a whole number of at least 1"),
        ({"start": 5, "stop": 5}, "expected start < stop"),
        ({"estimator": "tag"}, "estimator must be one of auto, .* found 'tag'"),
        (
            {"estimator": "cosine", "lookahead": "sgd"},
            "lookahead: has an effect only with estimator: lookahead or gramian, found 'cosine'",
        ),
        ({"lookahead": "sgd"}, "lookahead: has an effect only with estimator: .* found 'auto'"),
        ({"estimator": "factored", "rows": 0}, "rows must be a whole number of at least 1, found 0"),
        (
            {"estimator": "lookahead", "lookahead": "adam"},
            "lookahead must be one of sgd, momentum, optimizer, found 'adam'",
        ),
    ],
)
def test_unusable_options_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        AffinityProbe(**options)
