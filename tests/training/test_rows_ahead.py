"""Which rows the steps left will draw."""

from __future__ import annotations

import pytest
import torch

from polytask import Callback, Rows
from small_training import make_rows, train


class Drawn(Callback):
    """Compares what was said to come with what comes."""

    name = "drawn"

    def __init__(self, tell_at: int) -> None:
        self.tell_at, self.drawn = tell_at, []

    def before_step(self, training, batch) -> None:
        if training.step == self.tell_at:
            self.told = training.rows_ahead(training.step)
        if training.step >= self.tell_at:
            self.drawn.append(batch.ids)


@pytest.mark.parametrize("several", [False, True])
def test_they_are_the_rows_that_come(several):
    rows = make_rows()
    source = torch.arange(96) % 2 if several else None
    rows = Rows(rows.inputs, rows.targets, rows.observed, source)
    watch = Drawn(tell_at=15)
    train(watch, train=rows, settings={"steps": 17, "sampling": "equal" if several else "proportional"})
    assert watch.told.nonzero()[:, 0].tolist() == sorted(set(torch.cat(watch.drawn).tolist()))


def test_nothing_is_reported_of_a_whole_epoch():
    watch = Drawn(tell_at=5)
    train(watch)
    assert watch.told is None
