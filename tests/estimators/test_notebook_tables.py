"""What a notebook shows of affinities, selections and trainings: small, escaped, and true."""

from __future__ import annotations

import re

import numpy as np
import pytest

import polytask as pt
from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.selection.result import Selection
from polytask.training.fit import TaskResult, TrainingResult


def affinity(tasks: int) -> Affinity:
    matrix = np.random.default_rng(0).normal(size=(tasks, tasks))
    meta = {"samples": 300, "standard_error": matrix.tolist(), "windows": [matrix.tolist()] * 9}
    return Affinity(tuple(f"<t{number}>" for number in range(tasks)), matrix, meta)


@pytest.mark.parametrize("tasks", [2, 20, 300])
def test_an_affinity_is_shown_in_few_bytes(tasks: int) -> None:
    found = affinity(tasks)
    html = found._repr_html_()
    assert len(html) < 60 * min(tasks, 20) ** 2 + 4000 and len(repr(found)) < 200
    assert "<t0>" not in html and html.count("<td") == (tasks**2 if tasks <= 20 else 40)
    assert repr(found).endswith("300 probes)")


def test_the_strongest_effects_are_those_shown_of_many() -> None:
    found = affinity(100)
    gains = found.gains.T / np.abs(found.gains.T).max(0)
    shown = [float(value) for value in re.findall(r"<td>([+-][\d.e+-]+)</td>", found._repr_html_())]
    assert len(shown) == 20 and (gains >= 1).sum() >= 10 and all(value > 0 for value in shown[:10])
    assert all(value < 0 for value in shown[10:])


def test_a_selection_names_what_serves_and_what_helps() -> None:
    chosen = Selection((("a", "b"), ("b", "c")), {"a": 0, "b": 1, "c": 1}, 0.5, 0.5, True, dict.fromkeys("abc", 0.5))
    rows = re.findall(r'<th scope="row">(\d)</th><td>(.*?)</td><td>(.*?)</td>', chosen._repr_html_())
    assert rows == [("0", "a", "b"), ("1", "b, c", "")] and "proven best" in chosen._repr_html_()


def test_a_training_states_where_every_task_stands() -> None:
    import torch

    model = pt.MultiTaskModel(torch.nn.Linear(2, 4), [pt.Task("click"), pt.Task("price", kind="regression")])
    tasks = {"click": TaskResult(0.8, 0.9, 2.0, 3.5, 0.9), "price": TaskResult(0.4, 0.4, 5.0, None, 1.0)}
    html = TrainingResult(model, tasks, 2.0, 100, 1.5, [], {})._repr_html_()
    assert all(word in html for word in ("roc_auc", "r2", "never", "3.5", "100 steps in 1.5 s"))
