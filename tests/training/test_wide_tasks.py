"""Tasks with several targets per row are trained, converge and are held like the others."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from polytask import AsynchronousConvergence, MultiTaskModel, Rows, Task, UserError
from polytask.training import Objective
from polytask.training.evaluation import task_outputs
from small_training import assert_same_result, train

TASKS = (
    Task("mood"),
    Task("topics", kind="multilabel", classes=("sport", "art", "war")),
    Task("words", kind="tags", classes=("O", "B-name", "I-name")),
    Task("order", kind="ranking"),
    Task("pairs", kind="pairwise_ranking"),
)
LENGTH = 6


class Reader(nn.Module):
    """Rows of tokens to a representation of the row and one of every token."""

    out_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 8)

    def forward(self, tokens: Tensor) -> Tensor:
        return torch.relu(self.layer(torch.cat([tokens.mean(1, keepdim=True), tokens], 1)))


def model() -> MultiTaskModel:
    torch.manual_seed(1)
    return MultiTaskModel(Reader(), TASKS)


def rows(n: int = 80, seed: int = 0) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(n, LENGTH, 4, generator=generator)
    score = tokens.sum(-1)
    words = (score > 0).float() + (score > 1).float()
    words[torch.rand(n, LENGTH, generator=generator) < 0.2] = -100
    topics = (tokens.mean(1)[:, :3] > 0).float()
    topics[::5] = math.nan
    relevance = torch.where(torch.rand(n, LENGTH, generator=generator) < 0.2, math.nan, (score > 1).float())
    labels = {"mood": (tokens.mean((1, 2)) > 0).float(), "topics": topics, "words": words, "order": relevance}
    return Rows.from_labels(tokens, labels | {"pairs": relevance}, TASKS)


def test_outputs_and_targets_have_their_shapes() -> None:
    outputs = model()(rows().inputs)
    shapes = {"mood": (80,), "topics": (80, 3), "words": (80, LENGTH, 3), "order": (80, LENGTH), "pairs": (80, LENGTH)}
    assert {name: tuple(output.shape) for name, output in outputs.items()} == shapes
    assert not rows().observed[::5, 1].any() and rows().observed[1, 1]
    picked = rows().only_tasks([2, 0]).subset(torch.arange(3))
    assert list(picked.wide) == [0] and picked.wide[0].shape == (3, LENGTH)


def test_losses_are_means_over_the_targets_of_each_task() -> None:
    network, batch = model(), rows()[torch.arange(40)]
    losses = Objective(network.heads.groups, len(TASKS))(network.grouped(batch.inputs), batch)
    outputs = network(batch.inputs)
    for position, task in enumerate(TASKS):
        targets = batch.wide.get(position, batch.targets[:, position])
        elements = task.definition.loss(outputs[task.name], targets)
        count = task.definition.counts(targets).sum() if task.definition.wide else torch.tensor(40)
        torch.testing.assert_close(losses.values[position], elements.sum() / count)
        assert losses.counts[position] == count


@pytest.mark.slow
@pytest.mark.parametrize("unlabelled", [False, True])
def test_they_converge_in_memory_and_in_files_alike(tmp_path, unlabelled: bool) -> None:
    def run(folder=None):
        callback = AsynchronousConvergence(patience=2, min_evaluations=2, teachers=2, unlabelled=unlabelled)
        return train(callback, train=rows(), validation=rows(60, 1), model=model(), folder=folder,
                     settings={"steps": 160, "learning_rate": 0.05})  # fmt: skip

    result = run()
    assert sum(task.converged_epoch is not None for task in result.tasks.values()) >= 4
    assert all(torch.isfinite(value).all() for value in result.model.state_dict().values())
    assert result.tasks["words"].peak > 0.3 and result.tasks["order"].peak > 0.9
    assert_same_result(result, run(tmp_path))


def test_soft_labels_of_their_own_outputs_have_no_loss() -> None:
    from polytask import SoftLabels

    network, data = model(), rows()
    objective = Objective(network.heads.groups, len(TASKS))
    for position, outputs in enumerate(task_outputs(network, data, range(len(TASKS)))):
        objective.use_soft_labels(position, SoftLabels(outputs))
    batch = data[torch.arange(30)]
    losses = objective(network.grouped(batch.inputs), batch)
    torch.testing.assert_close(losses.means, torch.zeros(len(TASKS)), atol=1e-6, rtol=0)
    assert losses.complete


@pytest.mark.parametrize(
    ("labels", "words"),
    [({"topics": torch.zeros(4)}, r"\[4, 3\]"), ({"topics": torch.full((4, 3), 2.0)}, "0 to 1"),
     ({"words": torch.full((4, 2), 3.0)}, "0 to 2"), ({"order": torch.full((4, 2), math.inf)}, "infinite")],
)  # fmt: skip
def test_unusable_targets_are_refused(labels: dict[str, Tensor], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Rows.from_labels(torch.zeros(4, 2, 4), labels, TASKS)


def test_features_without_items_are_refused() -> None:
    network = MultiTaskModel(nn.Linear(4, 8), [Task("order", kind="ranking")])
    with pytest.raises(UserError, match="1 \\+ L"):
        network(torch.zeros(2, 4))
    with pytest.raises(UserError, match="sharing"):
        MultiTaskModel(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), [Task("order", kind="ranking")], sharing="mmoe")
