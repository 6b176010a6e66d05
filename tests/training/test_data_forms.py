"""What one of fit, measure_affinity and train_teachers takes, all take, and it makes no difference how it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import polytask as pt

N = 48
X = torch.randn(N, 4, generator=torch.Generator().manual_seed(0))
LABELS = {"click": (X[:, 0] > 0).float(), "price": X.sum(1)}
TASKS = [pt.Task("click"), pt.Task("price", kind="regression")]
QUICK = pt.TrainingSettings(steps=8, evaluate_every=4, batch_size=16)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        order = torch.randperm(N).tolist()  # another one every time: rows are known by their ids
        return iter([{"x": X[row], "ids": row, **{name: y[row] for name, y in LABELS.items()}} for row in order])


FORMS: dict[str, Any] = {
    "mapping": lambda: {"x": X.double().numpy(), **{name: y.numpy() for name, y in LABELS.items()}},
    "loader": lambda: DataLoader(TensorDataset(X, *LABELS.values()), batch_size=8, shuffle=True),
    "stream with ids": lambda: DataLoader(Stream(), batch_size=8),
}


def _model(tasks: list[pt.Task] = TASKS) -> pt.MultiTaskModel:
    torch.manual_seed(0)
    return pt.MultiTaskModel(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), tasks)


def _results(data: Any) -> list[Tensor]:
    """What each of the three functions finds."""
    model = _model()
    pt.fit(model, train=data, validation=data, settings=QUICK)
    affinity = pt.measure_affinity(_model(), train=data, settings=QUICK, every=2)
    teachers = pt.train_teachers(lambda task: _model([task]), TASKS, train=data, validation=data, settings=QUICK)
    outputs = [teacher.outputs for teacher in teachers.values()]
    return [*model.parameters(), torch.tensor(affinity.matrix), *outputs]


@pytest.fixture(scope="module")
def expected() -> list[Tensor]:
    return _results((X, LABELS))


@pytest.mark.parametrize("form", FORMS)
def test_every_function_takes_every_form(form: str, expected: list[Tensor]) -> None:
    torch.testing.assert_close(_results(FORMS[form]()), expected, rtol=0, atol=0)


class Graphs(nn.Module):
    """A layer over the edges of all graphs of a batch, and the mean over each graph's nodes."""

    out_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.own, self.others = nn.Linear(4, 8), nn.Linear(4, 8)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        start, end = batch["edges"]
        seen = torch.zeros(len(batch["nodes"]), 4).index_add(0, end, batch["nodes"][start])
        hidden = (self.own(batch["nodes"]) + self.others(seen)).relu()
        sums = torch.zeros(int(batch["graph"].max()) + 1, 8).index_add(0, batch["graph"], hidden)
        return sums / batch["graph"].bincount()[:, None]


def _joined(items: list[Any]) -> Any:
    sizes = torch.tensor([len(nodes) for nodes, *_ in items])
    starts = sizes.cumsum(0) - sizes
    inputs = {
        "nodes": torch.cat([nodes for nodes, *_ in items]),
        "edges": torch.cat([edges + start for (_, edges, _), start in zip(items, starts, strict=True)], 1),
        "graph": torch.repeat_interleave(torch.arange(len(items)), sizes),
    }
    return inputs, {task.name: torch.stack([labels[task.name] for *_, labels in items]) for task in TASKS}


def _graphs() -> DataLoader[Any]:
    generator, items = torch.Generator().manual_seed(0), []
    for row in range(N):
        nodes = torch.randn(2 + row % 5, 4, generator=generator)
        edges = torch.randint(0, len(nodes), (2, 6), generator=generator)
        items.append((nodes, edges, {"click": (nodes[:, 0].sum() > 0).float(), "price": nodes[:, 1].mean()}))
    return DataLoader(items, batch_size=8, shuffle=True, collate_fn=_joined)  # type: ignore[arg-type]


def _graph_model(tasks: list[pt.Task] = TASKS) -> pt.MultiTaskModel:
    torch.manual_seed(0)
    return pt.MultiTaskModel(Graphs(), tasks)


@pytest.mark.parametrize("balancer", ["equal", "upgrad"])
def test_graphs_with_a_collate_function_are_learned(balancer: str) -> None:
    settings = pt.TrainingSettings(steps=150, learning_rate=1e-2, batch_size=16)
    made = pt.balancing.BALANCERS[balancer]()
    result = pt.fit(_graph_model(), train=_graphs(), validation=_graphs(), settings=settings, balancer=made)
    assert result.tasks["click"].validation > 0.95 and result.tasks["price"].validation > 0.8


def test_graphs_go_through_the_encoder_in_parts() -> None:
    found = []
    for accumulate in (1, 3):
        settings = pt.TrainingSettings(steps=8, batch_size=16, accumulate=accumulate)
        model = _graph_model()
        pt.fit(model, train=_graphs(), validation=_graphs(), settings=settings)
        found.append(torch.cat([parameter.flatten() for parameter in model.parameters()]))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("estimator", ["auto", "lookahead", "cosine"])
def test_affinity_of_graphs(estimator: str) -> None:
    found = pt.measure_affinity(_graph_model(), train=_graphs(), settings=QUICK, every=2, estimator=estimator)
    assert bool(torch.tensor(found.matrix).isfinite().all()) and float(torch.tensor(found.matrix).abs().max()) > 0


def test_teachers_of_graphs_convergence_and_a_resumed_training(tmp_path: Path) -> None:
    def teach() -> Any:
        return pt.train_teachers(
            lambda task: _graph_model([task]),
            TASKS,
            train=_graphs(),
            validation=_graphs(),
            settings=QUICK,
            folder=tmp_path,
        )

    first, again = teach(), teach()
    assert torch.equal(first["price"].outputs, again["price"].outputs)
    callback = pt.AsynchronousConvergence(patience=1, min_evaluations=0)
    settings = pt.TrainingSettings(steps=60, evaluate_every=5, learning_rate=0.1, batch_size=16)
    result = pt.fit(_graph_model(), train=_graphs(), validation=_graphs(), settings=settings, callbacks=[callback])
    assert any(task.converged_epoch is not None for task in result.tasks.values())
