"""Intervals and sets hold new labels as often as promised, for any predictions."""

from __future__ import annotations

import math

import pytest
import torch

from polytask.errors import UserError
from polytask.task import KINDS, Task
from polytask.task.conformal import MOST, Scores
from polytask.task.predicted import with_temperature
from polytask.task.prediction_columns import interval_notes


@pytest.mark.parametrize(("rows", "level"), [(19, 0.9), (200, 0.5), (5000, 0.95)])
def test_a_limit_holds_new_scores_as_often_as_promised(rows: int, level: float) -> None:
    """Scores of 0 to 1 are below a limit with its own probability, so that the mean limit is the mean coverage."""
    draw = torch.Generator().manual_seed(rows)
    limits = [Scores.of(torch.rand(rows, generator=draw)).limit(level) for _ in range(300)]
    mean = sum(limits) / len(limits)
    assert level - 0.01 < mean < level + 1.5 / min(rows, MOST) + 0.01


def test_many_scores_are_thinned_to_the_safe_side() -> None:
    scores = torch.arange(12_345.0)
    found = Scores.of(scores)
    assert len(found.values) <= MOST and found.values[-1] == 12_344 and found.ranks[-1] == 12_345
    for level in (0.1, 0.5, 0.9, 0.99, 0.999):
        exact = math.ceil((len(scores) + 1) * level) - 1
        assert exact <= found.limit(level) <= exact + 13
    assert Scores.of(scores[:5]).limit(0.9) == math.inf and Scores((), ()).limit(0.5) == math.inf


@pytest.mark.parametrize("level", [0.5, 0.9, 0.98])
def test_fewer_scores_make_limits_only_wider(level: float) -> None:
    scores = torch.rand(5000, generator=torch.Generator().manual_seed(0))
    few, all_of_them = (Scores.of(scores, most) for most in (100, 5000))
    assert len(few.values) == 100
    assert 0 <= few.limit(level) - all_of_them.limit(level) < 0.02


@pytest.mark.parametrize("name", sorted(name for name, kind in KINDS.items() if not kind.wide))
def test_columns_hold_exactly_the_targets_below_the_limit(name: str) -> None:
    kind, draw = KINDS[name], torch.Generator().manual_seed(0)
    classes = ("a", "b", "c")[: kind.most_classes] if kind.least_classes else ()
    task = Task("t", kind=name, classes=classes)
    outputs = torch.randn(50, *([task.width] if kind.vector_output else []), generator=draw)
    predictions = kind.predict(outputs)
    targets = torch.randint(0, 2, (50,), generator=draw).float()
    unusual = kind.nonconformity(predictions, targets)
    assert unusual is not None and unusual.shape == (50,)
    limit = float(unusual.median())
    columns = kind.interval_columns(task, predictions, limit)
    assert list(columns) == kind.interval_names(task)
    if len(columns) == 2:
        low, high = (torch.as_tensor(values) for values in columns.values())
        held = (low - 1e-6 <= targets) & (targets <= high + 1e-6)
    else:
        held = torch.tensor(
            [classes[int(y)] in cell.split(";") for y, cell in zip(targets, columns["t_set"], strict=True)]
        )
    assert bool((held >= (unusual <= limit)).all())  # the likeliest class is always there


def test_a_set_of_labels_holds_all_labels_of_the_rows_below_the_limit() -> None:
    draw = torch.Generator().manual_seed(0)
    kind, task = KINDS["multilabel"], Task("t", kind="multilabel", classes=("a", "b", "c"))
    predictions = torch.rand(200, 3, generator=draw)
    targets = (torch.rand(200, 3, generator=draw) < predictions).float()
    targets[torch.rand(200, 3, generator=draw) < 0.1] = torch.nan
    unusual = kind.nonconformity(predictions, targets)
    assert unusual is not None
    for limit in (0.0, float(unusual.median()), math.inf):
        cells = kind.interval_columns(task, predictions, limit)["t_set"]
        sets = [set(str(cell).split(";")) - {""} for cell in cells]
        held = [{"abc"[int(k)] for k in (row == 1).nonzero()[:, 0]} <= own
                for row, own in zip(targets, sets, strict=True)]  # fmt: skip
        assert held == (unusual <= limit).tolist()
        assert kind.interval_sizes(task, predictions, limit).tolist() == [len(own) for own in sets]
    assert min(map(len, sets)) == 3 and ";" in kind.interval_columns(task, predictions, 0.0)["t_set"]


def test_targets_without_intervals_are_named_before_any_work() -> None:
    tags, price = Task("slots", kind="tags", classes=("O", "B")), Task("price", kind="regression")
    assert interval_notes([price]) == []
    assert interval_notes([price, tags]) == ["no prediction intervals or sets for slots: kind tags has none"]
    with pytest.raises(UserError, match="kind tags have no prediction intervals"):
        interval_notes([tags])


def test_a_temperature_makes_the_mean_prediction_flatter_and_keeps_its_order() -> None:
    kind = KINDS["multiclass"]
    warm, outputs = with_temperature(kind, 3.0), [torch.randn(20, 4), torch.randn(20, 4)]
    mean = kind.mean_prediction(outputs)
    found = warm.mean_prediction(outputs)
    assert torch.allclose(found, warm.predict(warm.average(outputs)))
    assert torch.equal(found.argmax(-1), mean.argmax(-1)) and bool((found.max(-1).values < mean.max(-1).values).all())
    assert torch.equal(warm.loss(outputs[0], torch.zeros(20)), kind.loss(outputs[0], torch.zeros(20)))


@pytest.mark.parametrize(
    ("kind", "temperature", "said"), [("count", 2.0, "not a count task"), ("binary", 0.0, "more than 0")]
)
def test_temperatures_that_make_no_sense_are_refused(kind: str, temperature: float, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Task("t", kind=kind, temperature=temperature)
