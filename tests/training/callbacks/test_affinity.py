"""Measuring affinity while training goes on as if nothing happened."""

import numpy as np
import pytest
import torch

from polytask import Callback, UserError
from polytask.grouping.affinity import affinity_of_losses, lookahead_losses
from polytask.training.callbacks import AffinityProbe, affinity_from_state
from small_training import TASKS, assert_same_result, make_model, make_rows, train

NAMES = [task.name for task in TASKS]


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_training_with_probes_is_bit_equal_to_one_without(missing, optimizer):
    results = [
        train(
            callback,
            train=make_rows(missing=missing),
            model=make_model(dropout=0.4, norm=True),
            settings={"optimizer": optimizer, "weight_decay": 0.01},
        )
        for callback in (Callback(), AffinityProbe(every=3))
    ]
    assert_same_result(*results, callbacks=False)


def test_probes_come_at_every_nth_step_from_the_first():
    result = train(AffinityProbe(every=7))
    assert result.callbacks["affinity"]["samples"] == 6  # steps 0, 7, ..., 35


class ByHand(Callback):
    """The affinity of the first step, from losses computed task by task."""

    name = "by hand"

    def before_step(self, training, batch):
        if training.step:
            return

        def losses():
            outputs = training.model(batch.inputs)
            values = [
                task.definition.loss(outputs[task.name], batch.targets[:, position]).mean()
                for position, task in enumerate(TASKS)
            ]
            return torch.stack(values), torch.stack(values).detach()

        shared = list(training.model.encoder.parameters())
        self.matrix = affinity_of_losses(*lookahead_losses(training.model, losses, shared, 0.02))


def test_the_matrix_is_that_of_the_losses_of_a_step():
    hand = ByHand()
    result = train(hand, AffinityProbe(every=100))
    affinity = affinity_from_state(result.callbacks["affinity"], NAMES, every=100)
    np.testing.assert_allclose(affinity.matrix, hand.matrix.numpy(), atol=1e-6)
    assert affinity.tasks == tuple(NAMES)
    assert affinity.meta["samples"] == 1
    assert affinity.meta["standard_error"] == [[None] * 4] * 4
    assert (np.diag(affinity.matrix) > 0).all()


def test_pairs_are_counted_where_both_tasks_have_labels():
    rows = make_rows(missing=0.2)
    rows.observed[:, 0] &= torch.arange(96) < 2
    result = train(AffinityProbe(every=1), train=rows)
    counts = np.array(affinity_from_state(result.callbacks["affinity"], NAMES, every=1).meta["counts"])
    assert 0 < counts[0, 1] == counts[1, 0] == counts[0, 0] < counts[1, 1] == 40


def test_probing_never_is_refused():
    with pytest.raises(UserError, match="every must be at least 1"):
        AffinityProbe(every=0)
