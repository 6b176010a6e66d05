"""Teachers that are kept in a folder: used again if they fit, refused if not."""

import pytest
import torch

from polytask import Rows, Task, UserError
from polytask.training import train_teachers
from small_distillation import ROWS, VALIDATION, single
from small_training import TASKS, make_model, small_settings


def test_teachers_are_used_again_if_they_fit_and_refused_if_not(tmp_path):
    def teach(rows=ROWS, **options):
        settings = small_settings(steps=8, **options)
        parts = {"train": rows.only_tasks([0, 1]), "validation": VALIDATION.only_tasks([0, 1])}
        return train_teachers(single, TASKS[:2], **parts, settings=settings, folder=tmp_path)

    first = teach()
    stamp = (tmp_path / "0" / "result.safetensors").stat().st_mtime_ns
    again = teach()
    assert (tmp_path / "0" / "result.safetensors").stat().st_mtime_ns == stamp
    assert torch.equal(first["spam"].features, again["spam"].features)
    assert first["spam"].level == again["spam"].level
    other = Rows(ROWS.inputs + 1, ROWS.targets, ROWS.observed)
    for bad in ({"rows": other}, {"learning_rate": 0.5}):
        with pytest.raises(UserError, match="made from other data"):
            teach(**bad)


@pytest.mark.parametrize("changed", ["labels", "sample weights"])
def test_teachers_of_other_label_sets_or_sample_weights_are_refused(changed, tmp_path):
    task = Task("topics", kind="multilabel", classes=("a", "b"))
    labels, weights = (ROWS.inputs[:, :2] > 0).float(), torch.ones(len(ROWS))

    def teach(labels=labels, weights=weights):
        rows = Rows.from_labels(ROWS.inputs, {"topics": labels}, [task])
        train_teachers(lambda task: make_model([task]), (task,), train=rows.with_weights(weights), validation=rows,
                       settings=small_settings(steps=4), folder=tmp_path)  # fmt: skip

    teach()
    teach()
    with pytest.raises(UserError, match="made from other data"):
        teach(**{"labels": {"labels": 1 - labels}, "sample weights": {"weights": 2 * weights}}[changed])
