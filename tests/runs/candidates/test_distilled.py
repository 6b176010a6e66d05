"""One network learns from cross-fitted predictions, and serves the tasks that it predicts no worse than others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import polytask as pt
from polytask.config import make_config
from polytask.distillation.teacher import Teacher
from polytask.errors import UserError
from polytask.runs import fit_run
from polytask.runs.bundle import Bundle
from polytask.runs.candidates import families
from polytask.runs.candidates.cross_fit import development
from polytask.runs.preparation.prepare import prepare
from polytask.training import EnsembleDistillation
from small_table import TARGETS, table_rows, write_table

ABOUT = {"steps": 20, "networks": 1, "baselines": False, "threads": 1, "model": {"hidden": [16, 8]}, "id": "key",
         "targets": TARGETS, "candidates": ["networks", "trees"], "distill": "best"}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def small_families() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "TREES", 6)
        patch.setattr(families, "ROUNDS", 20)
        yield


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    table = write_table(tmp_path_factory.mktemp("distilled") / "t.csv", table_rows(160))
    return {"data": str(table), **ABOUT}


@pytest.mark.slow
@pytest.mark.parametrize("members", [1, 2])
def test_one_network_is_served_and_its_figures_are_its_own(keys: dict[str, Any], tmp_path: Path, members: int) -> None:
    results = fit_run(make_config(keys | {"ensemble": members}), tmp_path / "run")
    about = results["totals"]["distilled"]
    assert results["totals"]["trainings"][0] == "distilled" and set(about["tasks"]) <= set(TARGETS)
    assert set(about["skill_on_validation"]) == {"distilled", "ensemble", "networks"}
    assert len(Bundle.load(tmp_path / "run").networks) == (1 if set(about["tasks"]) == set(TARGETS) else 2)
    again = fit_run(make_config(keys | {"ensemble": members}), tmp_path / "run", resume=True)
    assert again["tasks"] == results["tasks"]


def test_no_candidate_learns_from_the_rows_that_judge_the_student(keys: dict[str, Any]) -> None:
    data = prepare(config := make_config(keys))
    train, validation = data.rows["train"], data.rows["validation"]
    found = development(config, train, validation, 3, apart=True)
    assert found.apart.tolist() == list(range(len(train), len(train) + len(validation)))
    assert all(int(learn.max()) < len(train) for learn, _ in found.fits)
    held = torch.cat([rows for _, rows in found.fits])
    assert sorted(held.tolist()) == list(range(len(found.rows)))


def test_a_student_follows_its_teacher_and_a_task_without_one_its_labels() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 4)
    tasks = [pt.Task("taught", kind="regression"), pt.Task("alone", kind="regression")]
    labels = {"taught": torch.full((200,), torch.nan), "alone": x[:, 1]}
    labels["taught"][:4] = x[:4, 0]  # the other rows learn from the teacher
    model = pt.MultiTaskModel(torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.ReLU()), tasks)
    method = EnsembleDistillation({"taught": Teacher(outputs=x[:, 0])})
    settings = pt.TrainingSettings(steps=300, learning_rate=1e-2, batch_size=32)
    whole = {"taught": x[:, 0], "alone": x[:, 1]}
    result = pt.fit(model, train=(x, labels), validation=(x, whole), callbacks=[method], settings=settings)
    assert all(found.validation > 0.9 for found in result.tasks.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"candidates": ["networks"]}, "best learns from candidates; add --candidates"),
        ({"split": "part"}, "does not go with a split column"),
        ({"group": "colour"}, "does not go with a split column, group"),
        ({"distill": {"name": "best", "kappa": 2}}, "best has no option 'kappa'"),
    ],
)
def test_what_does_not_combine_is_refused(keys: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_config(keys | change)
