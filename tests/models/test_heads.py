"""The wide head is K separate linear heads: same outputs, gradients and training."""

import pytest
import torch
from torch import nn

from polytask import MultiTaskModel, Task
from polytask.models.heads import LinearHeads, group_tasks

TASKS = (
    Task("spam"),
    Task("topic", kind="multiclass", classes=("a", "b", "c")),
    Task("price", kind="regression"),
    Task("click"),
    Task("mood", kind="multiclass", classes=("x", "y", "z")),
    Task("size", kind="multiclass", classes=("s", "l")),
)


def separate_heads(heads: LinearHeads) -> nn.ModuleList:
    """One linear layer per task with the same numbers."""
    layers = nn.ModuleList()
    for position, task in enumerate(TASKS):
        layer = nn.Linear(heads.wide.in_features, task.width)
        layer.weight.data = heads.wide.weight.data[heads.task_rows(position)].clone()
        layer.bias.data = heads.wide.bias.data[heads.task_rows(position)].clone()
        layers.append(layer)
    return layers


def loss_of(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Every task with its own loss and weight."""
    total = torch.zeros(())
    for index, task in enumerate(TASKS):
        targets = torch.arange(len(outputs[task.name])) % max(2, task.width)
        total = total + (1 + index) * task.definition.loss(outputs[task.name], targets.float()).mean()
    return total


class Pair:
    """The model, and the same model with separate heads."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = MultiTaskModel(nn.Linear(5, 4), TASKS)
        self.encoder = nn.Linear(5, 4)
        self.encoder.load_state_dict(self.model.encoder.state_dict())
        self.layers = separate_heads(self.model.heads)

    def outputs(self, inputs: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        features = self.encoder(inputs)
        separate = {task.name: layer(features) for task, layer in zip(TASKS, self.layers, strict=True)}
        flat = {
            task.name: separate[task.name] if task.kind == "multiclass" else separate[task.name][:, 0] for task in TASKS
        }
        return self.model(inputs), flat

    def assert_heads_equal(self, gradients: bool = False) -> None:
        for position, layer in enumerate(self.layers):
            rows = self.model.heads.task_rows(position)
            for wide, own in zip(self.model.heads.wide.parameters(), layer.parameters(), strict=True):
                torch.testing.assert_close(wide.grad[rows] if gradients else wide[rows], own.grad if gradients else own)
        for one, other in zip(self.model.encoder.parameters(), self.encoder.parameters(), strict=True):
            torch.testing.assert_close(one.grad if gradients else one, other.grad if gradients else other)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_outputs_equal_those_of_separate_heads(pair):
    wide, separate = pair.outputs(torch.randn(6, 5))
    assert list(wide) == [task.name for task in TASKS]
    for name in wide:
        torch.testing.assert_close(wide[name], separate[name])


def test_gradients_equal_those_of_separate_heads(pair):
    for outputs in pair.outputs(torch.randn(6, 5)):
        loss_of(outputs).backward()
    pair.assert_heads_equal(gradients=True)


@pytest.mark.parametrize("method", [torch.optim.Adam, torch.optim.AdamW])
def test_training_equals_that_of_separate_heads(pair, method):
    together = method(pair.model.parameters(), lr=1e-2, weight_decay=0.1)
    apart = method([*pair.encoder.parameters(), *pair.layers.parameters()], lr=1e-2, weight_decay=0.1)
    for _ in range(10):
        for optimizer, outputs in zip((together, apart), pair.outputs(torch.randn(6, 5)), strict=True):
            optimizer.zero_grad()
            loss_of(outputs).backward()
            optimizer.step()
    pair.assert_heads_equal()


def test_every_row_of_the_wide_head_belongs_to_one_task():
    heads = LinearHeads(3, group_tasks(TASKS))
    rows = [row for position in range(len(TASKS)) for row in range(heads.wide.out_features)[heads.task_rows(position)]]
    assert sorted(rows) == list(range(sum(task.width for task in TASKS)))


def test_classes_of_different_number_form_groups_of_their_own():
    groups = group_tasks(TASKS)
    assert [(group.kind.name, group.width, group.tasks) for group in groups] == [
        ("binary", 1, (0, 3)),
        ("multiclass", 3, (1, 4)),
        ("regression", 1, (2,)),
        ("multiclass", 2, (5,)),
    ]
