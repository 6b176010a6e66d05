"""Heads of an ensemble: a loss for every member, one prediction of all."""

import math

import pytest
import torch
from torch import nn

from polytask import (
    AffinityProbe,
    AsynchronousConvergence,
    MultiTaskModel,
    Rows,
    SoftLabels,
    Task,
    TrainingSettings,
    UserError,
    fit,
)
from polytask.balancing import Balancer, GradNorm, UPGrad
from polytask.training import MTLKD, Objective, train_teachers
from small_training import Interrupt, assert_same_result

MEMBERS, WIDTH, INPUTS, ROWS = 3, 4, 5, 48
TASKS = (
    Task("spam"),
    Task("price", kind="regression"),
    Task("topic", kind="multiclass", classes=("a", "b", "c")),
    Task("tags", kind="multilabel", classes=("p", "q")),
    Task("click"),
)


class Ensemble(nn.Module):
    """Three small networks."""

    members, out_features = MEMBERS, MEMBERS * WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.dropout = nn.Linear(INPUTS, self.out_features), nn.Dropout(0.1)

    def forward(self, inputs):
        return self.dropout(torch.tanh(self.layer(inputs)))


def network(tasks=TASKS) -> MultiTaskModel:
    torch.manual_seed(1)
    return MultiTaskModel(Ensemble(), tasks)


def rows(missing=0.3, seed=0, tasks=TASKS) -> Rows:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(ROWS, INPUTS, generator=draw)
    labels = {
        "spam": (x[:, 0] > 0).float(),
        "price": x[:, 1].clone(),
        "topic": (x[:, 2] > 0).float() + (x[:, 0] > 0.5).float(),
        "tags": (x[:, 3:5] > 0).float(),
        "click": (x[:, 4] > 0.3).float(),
    }
    for label in labels.values():
        label[torch.rand(ROWS, generator=draw) < missing] = math.nan
    return Rows.from_labels(x, {task.name: labels[task.name] for task in tasks}, tasks)


def member_model(model: MultiTaskModel, member: int, position: int, features: torch.Tensor) -> torch.Tensor:
    """A task's outputs of one member, from its own rows of the parameters."""
    wide, heads = model.heads.wide, model.heads.task_rows(position)
    own = features.unflatten(1, (MEMBERS, WIDTH))[:, member]
    out = own @ wide.weight[heads, member].T + wide.bias[heads, member]
    return out[:, 0] if TASKS[position].kind in ("binary", "regression") else out


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_loss_of_a_task_is_the_mean_of_its_members_losses(missing, weighted):
    model, data = network(), rows(missing)
    model.encoder.eval()
    weights = torch.rand(ROWS, generator=torch.Generator().manual_seed(3)) if weighted else torch.ones(ROWS)
    if weighted:
        data = data.with_weights(weights)
    batch = data[torch.arange(ROWS)]
    found = Objective(model.heads.groups, len(TASKS))(model.grouped(batch.inputs), batch)
    features = model.features(batch.inputs)
    for position, task in enumerate(TASKS):
        known = torch.ones(ROWS, dtype=torch.bool) if data.observed is None else data.observed[:, position]
        targets = data.wide[position] if position in data.wide else data.targets[:, position]
        share = weights[known] / weights[known].sum()
        members = []
        for member in range(MEMBERS):
            losses = task.definition.loss(member_model(model, member, position, features)[known], targets[known])
            members.append((losses.flatten(1).mean(1) if losses.ndim > 1 else losses) @ share)
        torch.testing.assert_close(found.values[position], torch.stack(members).mean())


def test_a_prediction_is_the_mean_of_the_members_predictions():
    model, data = network().eval(), rows()
    outputs, features = model(data.inputs), model.features(data.inputs)
    for position, task in enumerate(TASKS):
        predict = task.definition.predict
        members = [predict(member_model(model, member, position, features)) for member in range(MEMBERS)]
        torch.testing.assert_close(predict(outputs[task.name]), torch.stack(members).mean(0))


def test_outputs_by_name_are_one_per_row_also_while_training():
    model, data = network(), rows()
    model.encoder.eval()
    while_training = model(data.inputs)
    torch.testing.assert_close(while_training, model.eval()(data.inputs))


def test_soft_labels_are_followed_by_every_member():
    model, data = network(), rows(0.0)
    model.encoder.eval()
    objective = Objective(model.heads.groups, len(TASKS))
    teachers = {0: torch.randn(ROWS), 2: torch.randn(ROWS, 3), 3: torch.randn(ROWS, 2)}
    for position, outputs in teachers.items():
        objective.use_soft_labels(position, SoftLabels(outputs))
    batch, features = data[torch.arange(ROWS)], model.features(data.inputs)
    found = objective(model.grouped(batch.inputs), batch).values
    for position, teacher in teachers.items():
        distances = [
            TASKS[position].definition.soft_loss(member_model(model, member, position, features), teacher).mean()
            for member in range(MEMBERS)
        ]
        torch.testing.assert_close(found[position], torch.stack(distances).mean())


def trained(folder=None, interrupt=None):
    return fit(
        network(),
        train=rows(),
        validation=rows(seed=1),
        callbacks=[
            interrupt or Interrupt(),
            AsynchronousConvergence(test="fixed", fixed_step=20, min_evaluations=0, tail=20),
        ],
        settings=TrainingSettings(
            steps=60, batch_size=16, evaluate_every=5, learning_rate=0.03, checkpoint_seconds=0.0
        ),
        folder=folder,
    )


def test_tasks_converge_and_an_interrupted_training_ends_bit_equal(tmp_path):
    whole = trained()
    converged = [task.converged_epoch for task in whole.tasks.values() if task.converged_epoch]
    assert converged
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, Interrupt(int(max(converged) * 3) + 1))
    assert_same_result(trained(tmp_path), whole)


def test_features_and_outputs_of_teachers_are_distilled():
    tasks, data, settings = TASKS[:3], rows(tasks=TASKS[:3]), TrainingSettings(steps=9, batch_size=16)
    teachers = train_teachers(
        lambda task: network((task,)), tasks, train=data, validation=rows(seed=1, tasks=tasks), settings=settings
    )
    result = fit(
        network(tasks),
        train=data,
        validation=rows(seed=1, tasks=tasks),
        callbacks=[MTLKD(teachers, kappa=1.0)],
        settings=settings,
    )
    assert result.steps == 9


@pytest.mark.parametrize(
    "part",
    [
        UPGrad(gradients="representation"),
        UPGrad(),
        GradNorm(),
        AffinityProbe(2, estimator="lookahead"),
        AffinityProbe(2),
    ],
    ids=lambda part: type(part).__name__,
)
def test_balancers_and_affinity_take_the_members_as_one_network(part):
    tasks, balancing = TASKS[:3], isinstance(part, Balancer)
    result = fit(
        network(tasks),
        train=rows(tasks=tasks),
        validation=rows(seed=1, tasks=tasks),
        balancer=part if balancing else None,
        callbacks=[] if balancing else [part],
        settings=TrainingSettings(steps=6, batch_size=16),
    )
    assert all(math.isfinite(task.validation) for task in result.tasks.values())
    if not balancing:
        assert part.statistics.samples == 3
        assert part.estimator.name != "factored"


def test_tasks_by_item_are_refused():
    with pytest.raises(UserError, match="no features by item"):
        MultiTaskModel(Ensemble(), [Task("slots", kind="tags", classes=("a", "b"))])
