"""A LightningModule with a balancing method whose tasks keep their peaks; started again, it goes on. Also torchrun."""

import os

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.functional import accuracy, r2_score

import polytask as pt
from polytask.integrations import KeptPeaks
from polytask.integrations.lightning import Balancing, ConvergenceCallback

digits = load_digits()
x, y = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
train, held = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).split([1200, 597])
tasks = [pt.Task("digit", "multiclass", classes=tuple("0123456789")), pt.Task("size", "regression")]


class Digits(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.encoder = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU())
        self.heads = torch.nn.ModuleDict({"digit": torch.nn.Linear(64, 10), "size": torch.nn.Linear(64, 1)})
        self.balancer = pt.balancing.UPGrad()
        self.peaks = KeptPeaks(tasks, lambda model, task: model(x[train])[task], balancer=self.balancer,
                               patience=4, min_evaluations=8)  # fmt: skip

    def forward(self, inputs):
        features = self.encoder(inputs)
        return {"digit": self.heads["digit"](features), "size": self.heads["size"](features)[:, 0]}

    def training_step(self, batch, index):
        inputs, digit, ids = batch
        losses = self.peaks.losses(self(inputs), {"digit": digit, "size": (digit - 4.5) / 2.9}, ids)
        self.balancer.backward(losses, shared=self.encoder.parameters(), backward=self.manual_backward)
        self.optimizers().step()
        self.optimizers().zero_grad()

    def validation_step(self, batch, index):
        outputs, digit = self(batch[0]), batch[1]
        self.log("val_digit", accuracy(outputs["digit"], digit, task="multiclass", num_classes=10), sync_dist=True)
        self.log("val_size", r2_score(outputs["size"], (digit - 4.5) / 2.9), sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 3e-3)


pl.seed_everything(0)
module = Digits()
loader = DataLoader(TensorDataset(x[train], y[train], torch.arange(len(train))), batch_size=128, shuffle=True)
saved = ModelCheckpoint("lightning-run", save_last=True)
trainer = pl.Trainer(max_epochs=60, callbacks=[ConvergenceCallback(module.peaks), Balancing(module.balancer), saved],
                     accelerator="cpu", precision="bf16-mixed", logger=False, enable_progress_bar=False,
                     devices=int(os.environ.get("LOCAL_WORLD_SIZE", 1)))  # fmt: skip
trainer.fit(module, loader, DataLoader(TensorDataset(x[held], y[held]), batch_size=len(held)), ckpt_path="last")
