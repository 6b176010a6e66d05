"""Lightning: what is refused, and a training that is stopped and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import polytask as pt
from polytask.integrations import KeptPeaks

pl = pytest.importorskip("pytorch_lightning", reason="the extra 'lightning' is not installed")

from polytask.integrations.lightning import Balancing, ConvergenceCallback  # noqa: E402, after the skip

X = torch.randn(128, 8, generator=torch.Generator().manual_seed(0))
Y = {"a": X[:, 0], "b": 5 * X[:, 1]}
TASKS = [pt.Task(name, "regression") for name in Y]


class Module(pl.LightningModule):  # type: ignore[misc, name-defined]
    """The balancer is no part of the module, so that only the callback can keep its state."""

    def __init__(self, balancer: str, manual: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.automatic_optimization = not manual
        self.encoder = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU())
        self.heads = torch.nn.Linear(16, 2)
        object.__setattr__(self, "balancer", pt.balancing.BALANCERS[balancer]())
        infer = lambda model, task: model(X)[task]  # noqa: E731
        self.peaks = KeptPeaks(TASKS, infer, patience=1, min_evaluations=0, teachers=1)
        self.used: list[list[float]] = []

    def forward(self, x: Any) -> dict[str, Any]:
        return dict(zip(Y, self.heads(self.encoder(x)).unbind(1), strict=True))

    def training_step(self, batch: Any, index: int) -> None:
        x, a, b, ids = batch
        losses = self.peaks.losses(self(x), {"a": a, "b": b}, ids)
        shared = list(self.encoder.parameters())
        self.used.append(self.balancer.backward(losses, shared=shared, backward=self.manual_backward).tolist())
        self.optimizers().step()
        self.optimizers().zero_grad()

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_a", 0.1 + 0.1 * self.current_epoch)
        self.log("val_b", (0.5, 0.9, 0.3, 0.3, 0.3, 0.3)[self.current_epoch])

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), 3e-3)


def _fit(module: Module, epochs: int, folder: Path, resumed: Path | None = None, **options: Any) -> Any:
    loader = DataLoader(TensorDataset(X, *Y.values(), torch.arange(len(X))), batch_size=32)
    trainer = pl.Trainer(max_epochs=epochs, default_root_dir=folder, accelerator="cpu", logger=False,
                         enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
                         callbacks=[Balancing(module.balancer), ConvergenceCallback(module.peaks, **options)],
                         )  # fmt: skip
    trainer.fit(module, loader, loader, ckpt_path=resumed)
    return trainer


@pytest.mark.parametrize("name", ["uw", "dwa", "gradnorm"])
def test_a_training_that_is_stopped_and_resumed_is_one_that_was_not(name: str, tmp_path: Path) -> None:
    whole, first, second = Module(name), Module(name), Module(name)
    _fit(whole, 6, tmp_path)
    _fit(first, 3, tmp_path).save_checkpoint(tmp_path / "stopped.ckpt")
    _fit(second, 6, tmp_path, tmp_path / "stopped.ckpt")
    assert first.used + second.used == whole.used
    assert set(second.peaks.soft) == set(whole.peaks.soft) != set()
    for expected, found in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(expected, found)


def test_a_metric_that_is_not_logged_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(pt.UserError, match="valid_a, valid_b not logged"):
        _fit(Module("equal"), 2, tmp_path, metric="valid_{task}")


def test_automatic_optimisation_would_leave_the_balancer_out(tmp_path: Path) -> None:
    with pytest.raises(pt.UserError, match="automatic_optimization = False"):
        _fit(Module("equal", manual=False), 1, tmp_path)
