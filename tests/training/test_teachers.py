"""Teachers that are kept in a folder: used again if they fit, refused if not."""

import pytest
import torch

from polytask import Rows, UserError
from polytask.training import train_teachers
from small_distillation import ROWS, VALIDATION, single
from small_training import TASKS, small_settings


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
    assert first["spam"].level == again["spam"].level and len(first["spam"].losses) == 2
    other = Rows(ROWS.inputs + 1, ROWS.targets, ROWS.observed)
    for bad in ({"rows": other}, {"learning_rate": 0.5}):
        with pytest.raises(UserError, match="made from other data"):
            teach(**bad)
