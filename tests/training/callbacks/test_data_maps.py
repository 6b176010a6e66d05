"""Data maps of a training."""

from __future__ import annotations

import pytest
import torch

from polytask import Callback, Task, UserError
from polytask.training.callbacks import DataMaps, maps_from_state
from polytask.training.callbacks.data_maps import true_class_probability
from polytask.training.evaluation import task_outputs
from small_training import Interrupt, assert_same_result, make_model, make_rows, train

TASKS = (Task("spam"), Task("topic", kind="multiclass", classes=("a", "b", "c")))


class Direct(Callback):
    """All probabilities, kept one by one."""

    def __init__(self):
        self.found = []

    def after_evaluation(self, training, evaluation):
        outputs = task_outputs(training.evaluated, training.train, range(len(training.tasks)))
        self.found.append(
            torch.stack([true_class_probability(o, training.train.targets[:, k]) for k, o in enumerate(outputs)])
        )


def run(*callbacks, **options):
    rows = {"train": make_rows(tasks=TASKS), "validation": make_rows(60, seed=1, tasks=TASKS)}
    return train(*callbacks, model=make_model(TASKS, dropout=0.3), **rows, **options)


def test_maps_are_mean_and_deviation_over_the_evaluations():
    direct, maps = Direct(), DataMaps()
    result = run(direct, maps)
    found = torch.stack(direct.found).double()
    expected = torch.cat([found.mean(0), found.std(0, correction=0)], 1)
    torch.testing.assert_close(torch.from_numpy(maps_from_state(result.callbacks["data_maps"])), expected)
    assert_same_result(result, run(Direct()), callbacks=False)


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(DataMaps(), Interrupt(17), folder=tmp_path, settings={"checkpoint_seconds": 0.0})
    again = run(DataMaps(), Callback(), folder=tmp_path, settings={"checkpoint_seconds": 0.0})
    assert_same_result(run(DataMaps(), Callback()), again)


def test_only_rows_with_all_labels_count():
    rows = make_rows(missing=0.3, tasks=TASKS)
    state = train(DataMaps(), train=rows, validation=rows, model=make_model(TASKS)).callbacks["data_maps"]
    assert state["mean"].shape == (2, int(rows.observed.all(1).sum()))
    rows = make_rows(missing=0.9, tasks=TASKS)
    with pytest.raises(UserError, match="labels of all tasks, at least 10"):
        train(DataMaps(), train=rows, validation=rows, model=make_model(TASKS))


def test_regression_is_refused():
    with pytest.raises(UserError, match="'price' is of another kind"):
        train(DataMaps())
