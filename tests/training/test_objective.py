"""Losses of a batch: a masked mean per task, on true or soft labels."""

import pytest
import torch

from polytask import SoftLabels
from polytask.training import Objective
from small_training import TASKS, make_model, make_rows

MODEL = make_model()
IDS = torch.arange(40)


def objective() -> Objective:
    return Objective(MODEL.heads.groups, len(TASKS))


def losses_by_hand(rows, ids):
    """Task by task, over the labelled rows alone."""
    batch, outputs = rows[ids], MODEL(rows.inputs[ids])
    values = []
    for position, task in enumerate(TASKS):
        known = slice(None) if batch.observed is None else batch.observed[:, position]
        values.append(task.definition.loss(outputs[task.name][known], batch.targets[known, position]).mean())
    return torch.stack(values)


@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_losses_are_means_over_the_labelled_rows_of_each_task(missing):
    rows = make_rows(missing=missing)
    losses = objective()(MODEL.grouped(rows.inputs[IDS]), rows[IDS])
    torch.testing.assert_close(losses.values, losses_by_hand(rows, IDS))
    torch.testing.assert_close(losses.means, losses.values.detach())
    expected = [40.0] * 4 if rows.observed is None else rows.observed[IDS].sum(0).float().tolist()
    assert losses.counts.tolist() == expected
    assert losses.complete


def test_gradients_are_those_of_the_masked_means():
    rows = make_rows(missing=0.5)
    gradients = []
    for values in (objective()(MODEL.grouped(rows.inputs[IDS]), rows[IDS]).values, losses_by_hand(rows, IDS)):
        gradients.append(torch.autograd.grad(values @ torch.tensor([1.0, 2.0, 3.0, 4.0]), list(MODEL.parameters())))
    torch.testing.assert_close(*gradients)


def test_an_absent_task_has_a_zero_that_is_connected_to_the_graph():
    rows = make_rows(missing=0.5)
    rows.observed[:, 2] = False
    losses = objective()(MODEL.grouped(rows.inputs[IDS]), rows[IDS])
    assert losses.present.tolist() == [True, True, False, True]
    assert not losses.complete
    assert losses.values[2] == losses.means[2] == 0
    gradients = torch.autograd.grad(losses.values[2], list(MODEL.parameters()))
    assert all(gradient.eq(0).all() for gradient in gradients)


def test_a_label_that_is_not_observed_has_no_influence_even_if_it_is_nan():
    rows = make_rows(missing=0.5)
    one = objective()(MODEL.grouped(rows.inputs[IDS]), rows[IDS]).values
    rows.targets[:, [0, 1, 3]] = torch.where(rows.observed, rows.targets, torch.nan)[:, [0, 1, 3]]
    other = objective()(MODEL.grouped(rows.inputs[IDS]), rows[IDS]).values
    assert torch.equal(one, other)


@pytest.mark.parametrize("missing", [0.0, 0.5])
@pytest.mark.parametrize("position", range(4))
def test_soft_labels_replace_the_labels_of_their_task_only(missing, position):
    rows, teacher = make_rows(missing=missing), make_model()
    with torch.no_grad():
        teacher.heads.wide.weight += 0.3
        outputs = teacher(rows.inputs)[TASKS[position].name]
    with_soft = objective()
    with_soft.use_soft_labels(position, SoftLabels(outputs))
    batch = rows[IDS]
    losses = with_soft(MODEL.grouped(batch.inputs), batch).values
    expected = losses_by_hand(rows, IDS)
    known = slice(None) if batch.observed is None else batch.observed[:, position]
    student = MODEL(batch.inputs)[TASKS[position].name]
    expected[position] = TASKS[position].definition.soft_loss(student[known], outputs[IDS][known]).mean()
    torch.testing.assert_close(losses, expected)
