"""Parts with a learning rate, weight decay and schedule of their own train as with an optimiser of their own."""

from __future__ import annotations

import pytest
import torch

from polytask import UserError
from polytask.config import Pace, TrainingSettings
from polytask.training import Parts
from polytask.training.optimizer import make_optimizer
from polytask.training.schedule import learning_rate_factor
from small_training import Interrupt, assert_same_result, make_model, train

STEPS = 12


def gradients(model, step):
    """The same for both ways."""
    generator = torch.Generator().manual_seed(step)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def ours(settings):
    model = make_model()
    parts = Parts(model, settings)
    optimizer = make_optimizer(parts.for_optimizer(), settings)
    for step in range(STEPS):
        gradients(model, step)
        parts.set_learning_rates(optimizer, step, STEPS)
        with parts.own_pace(optimizer, step, STEPS):
            optimizer.step()
    return model


def apart(settings, rate, decay, schedule, part):
    """One model all of which has the settings of the part: what is right for the part, and only for it."""
    model = make_model()
    usual = TrainingSettings(optimizer=settings.optimizer, learning_rate=rate, weight_decay=decay)
    optimizer = make_optimizer(model.parameters(), usual)
    for step in range(STEPS):
        gradients(model, step)
        for group in optimizer.param_groups:
            group["lr"] = rate * learning_rate_factor(step, STEPS, schedule)
        optimizer.step()
    return model


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_part_goes_as_with_an_optimiser_of_its_own(optimizer):
    parts = {
        "task.topic": Pace(learning_rate=0.05, weight_decay=0.3, schedule="linear"),
        "encoder.0": Pace(learning_rate=0.002, weight_decay=0.0),
        "heads": Pace(weight_decay=0.2),
    }
    settings = TrainingSettings(optimizer=optimizer, learning_rate=0.01, weight_decay=0.1, parts=parts)
    found = ours(settings)
    rows = found.heads.task_rows(2)
    expected = {
        "task.topic": apart(settings, 0.05, 0.3, "linear", "heads.wide.weight").heads.wide.weight[rows],
        "encoder.0": apart(settings, 0.002, 0.0, "constant", "encoder.0.weight").encoder[0].weight,
        "heads": apart(settings, 0.01, 0.2, "constant", "").heads.wide.weight[:1],
        "rest": apart(settings, 0.01, 0.1, "constant", "").encoder[3].weight,
    }
    got = {
        "task.topic": found.heads.wide.weight[rows],
        "encoder.0": found.encoder[0].weight,
        "heads": found.heads.wide.weight[:1],
        "rest": found.encoder[3].weight,
    }
    for part in expected:
        torch.testing.assert_close(got[part], expected[part], rtol=1e-5, atol=2e-7)


def test_without_parts_nothing_changes():
    settings = TrainingSettings(learning_rate=0.01, schedule="cosine", warmup=3)
    model = make_model()
    parts = Parts(model, settings)
    assert len(parts.groups) == 1 and not parts.has_rows
    assert len(parts.groups[0]) == len(list(model.parameters()))


def test_a_resumed_training_is_the_same(tmp_path):
    parts = {"task.*": Pace(learning_rate=0.1), "shared": Pace(schedule="cosine", warmup=5)}
    settings = {"parts": parts, "checkpoint_seconds": 0.0}
    whole = train(settings=settings)
    with pytest.raises(KeyboardInterrupt):
        train(Interrupt(13), settings=settings, folder=tmp_path)
    assert_same_result(whole, train(Interrupt(), settings=settings, folder=tmp_path), callbacks=False)


@pytest.mark.parametrize(
    ("parts", "options", "message"),
    [
        ({"encoder.9": Pace(learning_rate=1)}, {}, "parts: the network has no part 'encoder.9'; did you mean"),
        ({"encoder": Pace()}, {}, "parts encoder: is empty; give learning_rate"),
        ({"encoder": Pace(learning_rate=-1)}, {}, "parts encoder: learning_rate must be more than 0"),
        ({"encoder": Pace(schedule="cos")}, {}, "parts encoder: schedule must be one of"),
        (
            {"task.spam": Pace(weight_decay=1)},
            {"precision": "16"},
            "parts: with precision 16, adam has one weight_decay",
        ),
    ],
)
def test_mistakes_are_named(parts, options, message):
    with pytest.raises(UserError, match=message):
        Parts(make_model(), TrainingSettings(parts=parts, **options))
