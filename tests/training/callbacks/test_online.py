"""Online distillation: its teachers learn what the student learns."""

import pytest
import torch

from polytask import OnlineDistillation, Rows, Task, UserError
from small_distillation import two_layers
from small_training import TASKS, make_model, make_rows, train


def test_online_distillation_needs_a_common_representation():
    with pytest.raises(UserError, match="sharing 'mmoe' has none"):
        train(OnlineDistillation(), model=two_layers("mmoe"))


def test_online_teachers_learn_sets_of_labels_and_weigh_samples():
    """Weights of 0 leave nothing but the first half to learn from, for students and teachers alike."""
    tasks = [TASKS[0], Task("topics", kind="multilabel", classes=("a", "b"))]
    rows = make_rows()
    labels = {"spam": rows.targets[:, 0], "topics": (rows.inputs[:, :2] > 0).float()}
    every = Rows.from_labels(rows.inputs, labels, tasks)
    weights = (torch.arange(len(every)) < 48).float()
    changed = {name: torch.where((weights > 0).view(-1, *[1] * (value.ndim - 1)), value, 1 - value)
               for name, value in labels.items()}  # fmt: skip
    runs = []
    for targets in (labels, changed):
        model = make_model(tasks)
        result = train(OnlineDistillation(), model=model, validation=every,
                       train=Rows.from_labels(rows.inputs, targets, tasks).with_weights(weights))  # fmt: skip
        runs.append([evaluation.validation for evaluation in result.history])
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OnlineDistillation(per_layer="max"), "per_layer"),
        (lambda: OnlineDistillation(weight=0, layers=1), "layers is read with a weight above 0 only"),
        (lambda: OnlineDistillation(task_weighting=False, cap=3.0), "cap is read with task_weighting only"),
        (lambda: OnlineDistillation(temperature=0.0), "temperature must be more than 0"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        train(make())
