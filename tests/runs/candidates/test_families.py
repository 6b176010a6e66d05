"""Every family as a module predicts what scikit-learn's model does, and comes back from its tensors as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from polytask.data import SparseRows
from polytask.models.fitted import Columns, FittedModel
from polytask.runs.candidates import families as f
from polytask.task import Task
from polytask.training.evaluation import task_outputs

ROWS = 90
TASKS = {
    "binary": Task("b"),
    "multiclass": Task("m", kind="multiclass", classes=("x", "y", "z", "never")),
    "ordinal": Task("o", kind="ordinal", classes=("1", "2", "3")),
    "regression": Task("r", kind="regression"),
    "count": Task("c", kind="count"),
}


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    """Numbers, categories of two columns (codes run through both) and hashed texts of three places each."""
    draw = torch.Generator().manual_seed(0)
    text = SparseRows(
        torch.arange(0, 3 * ROWS + 1, 3),
        torch.randint(0, 16, (3 * ROWS,), generator=draw).int(),
        torch.ones(3 * ROWS),
        16,
    )
    codes = torch.randint(0, 4, (ROWS, 2), generator=draw) + torch.tensor([0, 4])
    return {"numeric": torch.randn(ROWS, 3, generator=draw), "categorical": codes, "text": text}


def labels(task: Task, inputs: dict[str, Any]) -> f.ToLearn:
    x = inputs["numeric"][:, 0] + (inputs["categorical"][:, 0] == 1) + 0.3 * inputs["numeric"][:, 1]
    classes = torch.bucketize(x, torch.tensor([-0.4, 0.6])).float()
    by_kind = {"binary": (x > 0).float(), "regression": x, "count": classes}
    return f.ToLearn(by_kind.get(task.kind, classes), None)


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("family", ["random_forest", "extra_trees", "boosting", "linear"])
def test_modules_predict_what_scikit_learn_does_and_are_restored(
    family: str, kind: str, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f, "TREES", 7)
    monkeypatch.setattr(f, "ROUNDS", 20)
    task = TASKS[kind]
    own = next(one for one in f.families(("trees", "linear"), 1) if one.name == family)
    columns = Columns(f.projection_of(inputs["text"])) if own.of_columns else None
    read = f.LinearInputs(inputs) if columns is None else columns(inputs).numpy()
    everyone, known = torch.arange(ROWS), labels(task, inputs)
    expected = own.variants(task, read, everyone, everyone, known, 0)[-1]
    variant = len(own.variants(task, read, everyone, everyone, known, 0)) - 1
    model = FittedModel(own.name, columns, [own.final(task, read, everyone, known, 0, variant)], [task])
    (outputs,) = task_outputs(model, inputs, [0], ROWS)
    assert torch.isfinite(outputs).all() and outputs.shape[1:] == ((task.width,) if task.width > 1 else ())
    torch.testing.assert_close(task.definition.predict(outputs), expected, atol=2e-5, rtol=1e-4)
    again = FittedModel.restored(model.stored(), model.state_dict(), [task])
    assert torch.equal(task_outputs(again, inputs, [0], ROWS)[0], outputs)


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
@pytest.mark.parametrize("forest", [f.RandomForest, f.ExtraTrees])
def test_forests_are_the_same_with_any_number_of_threads(
    forest: type[f.Forest], kind: str, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f, "TREES", 7)
    task, everyone, read = TASKS[kind], torch.arange(ROWS), inputs["numeric"].numpy()
    known = labels(task, inputs)
    one, several = (forest(1, threads) for threads in (1, 3))
    found = [own.variants(task, read, everyone, everyone, known, 0)[0] for own in (one, several)]
    assert torch.equal(*found)
    states = [own.final(task, read, everyone, known, 0, 0).state_dict() for own in (one, several)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_thresholds_of_single_precision_send_every_row_where_double_ones_do() -> None:
    thresholds = np.random.default_rng(0).normal(size=2000)
    rows = np.concatenate([thresholds.astype(np.float32), np.nextafter(thresholds.astype(np.float32), np.float32(9))])
    twice = np.concatenate([thresholds, thresholds])
    single = torch.cat([f.single_precision(thresholds)] * 2).numpy()
    assert ((rows.astype(np.float64) <= twice) == (rows <= single)).all()


def test_trees_that_lead_nowhere_and_other_tasks_are_refused(inputs: dict[str, Any]) -> None:
    task, everyone = TASKS["regression"], torch.arange(ROWS)
    forest = f.RandomForest(1)
    part = forest.final(task, inputs["numeric"].numpy(), everyone, labels(task, inputs), 0, 0)
    model = FittedModel("random_forest", Columns(), [part], [task])
    tensors = dict(model.state_dict())
    with pytest.raises(ValueError, match="leads nowhere"):
        FittedModel.restored(model.stored(), tensors | {"parts.0.left": tensors["parts.0.left"] + 10_000}, [task])
    with pytest.raises(ValueError, match="something else than task"):
        FittedModel.restored(model.stored(), tensors | {"parts.0.bias": torch.zeros(9)}, [task])
    with pytest.raises(ValueError, match="1 parts for 2 tasks"):
        FittedModel.restored(model.stored(), tensors, [task, TASKS["binary"]])
