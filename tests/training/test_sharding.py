"""What cannot be trained in shares is refused at once; that the rest can is in ``test_process_matrix.py``."""

from __future__ import annotations

import pytest

import polytask as pt
from polytask.balancing import UPGrad
from polytask.training.callbacks import AffinityProbe
from small_training import train


def test_all_reasons_are_reported_at_once() -> None:
    settings = {"strategy": "fsdp", "accumulate": 2, "precision": "16"}
    with pytest.raises(pt.UserError) as error:
        train(AffinityProbe(), balancer=UPGrad(), settings=settings)
    said = "\n".join(error.value.problems)
    for part in ("there is only one process", "'upgrad'", "affinity needs all", "accumulate is not", "bf16"):
        assert part in said
    assert len(error.value.problems) == 5


def test_an_unknown_strategy_is_named() -> None:
    with pytest.raises(pt.UserError, match="strategy must be one of ddp, fsdp, found 'zero'"):
        pt.TrainingSettings(strategy="zero")
