"""Norms and conflicts of gradients: what is counted, and that a training logs it where it costs nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import polytask as pt
from polytask.training.events import EventLog
from polytask.training.gradient_history import GradientHistory


def test_norms_and_conflicts_are_those_of_the_gradients() -> None:
    history = GradientHistory(3)
    gradients = [torch.randn(3, 5, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    for rows in gradients:
        history.add(rows @ rows.T, torch.ones(3, dtype=torch.bool))
    found = history.take("abc")
    norms, conflicts = (list(found[key].values()) for key in ("gradient_norms", "conflicts"))
    assert norms == pytest.approx(torch.stack(gradients).norm(dim=2).mean(0).tolist(), rel=1e-5)
    against = [[np.dot(rows[i], rows[j]) < 0 for rows in map(torch.Tensor.numpy, gradients) for j in range(3) if j != i]
               for i in range(3)]  # fmt: skip
    assert conflicts == pytest.approx([np.mean(obtuse) for obtuse in against])
    unit = torch.nn.functional.normalize(torch.stack(gradients), dim=2)
    cosines = (unit @ unit.mT).mean(0)
    assert found["cosines"] == {
        "a": pytest.approx({"b": cosines[0, 1].item(), "c": cosines[0, 2].item()}),
        "b": pytest.approx({"c": cosines[1, 2].item()}),
    }


def test_many_tasks_have_no_cosines_in_the_log() -> None:
    history = GradientHistory(33)
    history.add(torch.eye(33), torch.ones(33, dtype=torch.bool))
    assert set(history.take([str(task) for task in range(33)])) == {"gradient_norms", "conflicts"}


def test_many_steps_give_the_same_sums_however_they_are_interrupted() -> None:
    histories = GradientHistory(3), GradientHistory(3)
    for seed in range(100):
        rows = torch.randn(3, 5, generator=torch.Generator().manual_seed(seed))
        for history in histories:
            history.add(rows @ rows.T, torch.tensor([True, True, seed % 7 > 0]))
        if seed in (10, 70):
            saved, histories = histories[1].sums, (histories[0], GradientHistory(3))
            histories[1].sums = saved
    assert torch.equal(histories[0].sums, histories[1].sums) and histories[0].sums[1].tolist() == [100, 100, 85]


@pytest.mark.parametrize("all_rows", [True, False])
def test_absent_tasks_are_left_out(all_rows: bool) -> None:
    gramian = torch.tensor([[4.0, -9.0, 1.0], [-9.0, 100.0, -9.0], [1.0, -9.0, 9.0]])
    present = torch.tensor([True, False, True])
    history = GradientHistory(3)
    history.add(gramian if all_rows else gramian[present][:, present], present)
    found = history.take("abc")
    norms, conflicts = (list(found[key].values()) for key in ("gradient_norms", "conflicts"))
    assert found["cosines"]["a"]["c"] == pytest.approx(1 / 6) and np.isnan(found["cosines"]["a"]["b"])
    assert norms[::2] == [2.0, 3.0] and conflicts[::2] == [0.0, 0.0]
    assert np.isnan(norms[1]) and np.isnan(conflicts[1])
    assert history.take("abc") == {}  # begun again


def training(folder: Path, balancer: pt.balancing.Balancer, probe: bool = False) -> list[dict]:
    """Two tasks whose gradients are opposite at the start: one wants the output up, the other down."""
    inputs = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    tasks = [pt.Task("up", kind="regression"), pt.Task("down", kind="regression")]
    labels = {"up": inputs[:, 0], "down": -inputs[:, 0]}
    rows = pt.Rows.from_labels(inputs, labels, tasks)
    torch.manual_seed(0)
    model = pt.MultiTaskModel(torch.nn.Sequential(torch.nn.Linear(3, 4)), tasks)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.01)
        model.heads.wide.weight.fill_(1.0)
    callbacks = [pt.AffinityProbe(every=1, estimator="gramian")] if probe else []
    settings = pt.TrainingSettings(steps=6, batch_size=64, evaluate_every=3, learning_rate=1e-4, device="cpu")
    log = EventLog(folder / "metrics.jsonl")
    pt.fit(model, train=rows, validation=rows, balancer=balancer, callbacks=callbacks, settings=settings, log=log)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == "evaluation"]


@pytest.mark.parametrize(("name", "probe"), [("equal", True), ("pcgrad", False), ("upgrad", True)])
def test_logged_by_whoever_has_the_gradients(tmp_path: Path, name: str, probe: bool) -> None:
    if name != "equal":
        pytest.importorskip("torchjd")
    events = training(tmp_path, pt.balancing.BALANCERS[name](), probe)
    assert [event["conflicts"] for event in events] == [{"up": 1.0, "down": 1.0}] * 2
    assert all(value > 0 for event in events for value in event["gradient_norms"].values())
    assert all(event["cosines"]["up"]["down"] < -0.9 for event in events)


def test_nothing_is_reported_where_nobody_computes_gradients(tmp_path: Path) -> None:
    assert not any("conflicts" in event for event in training(tmp_path, pt.balancing.Equal()))
