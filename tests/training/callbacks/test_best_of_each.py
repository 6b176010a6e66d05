"""Every task's best network: also after an interruption."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from polytask import BestOfEach
from small_training import Interrupt, train


def test_an_interrupted_training_keeps_the_same_networks(tmp_path: Path) -> None:
    whole, cut = BestOfEach(), BestOfEach()
    result = train(whole, settings={"steps": 24, "evaluate_every": 4})
    for name, (value, step) in whole.best.items():
        assert value == max(e.validation[name] for e in result.history)
        assert step in [e.step for e in result.history]
    settings = {"steps": 24, "evaluate_every": 4, "checkpoint_seconds": 0}
    with pytest.raises(KeyboardInterrupt):
        train(cut, Interrupt(14), settings=settings, folder=tmp_path / "cut")
    again = BestOfEach()
    train(again, Interrupt(), settings=settings, folder=tmp_path / "cut")
    assert again.best == whole.best
    for name, network in whole.networks.items():
        mine, theirs = network.state_dict(), again.networks[name].state_dict()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
