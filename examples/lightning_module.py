"""A LightningModule with a balancing method, and a callback that lets every task keep its peak."""

import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.functional import accuracy, r2_score

import polytask as pt
from polytask.integrations import KeptPeaks
from polytask.integrations.lightning import Balancing, KeepPeaks

digits = load_digits()
x, y = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
train, held = order[:1200], order[1200:]
tasks = [pt.Task("digit", "multiclass", classes=tuple("0123456789")), pt.Task("size", "regression")]


class Digits(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.encoder = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU())
        self.heads = torch.nn.ModuleDict({"digit": torch.nn.Linear(64, 10), "size": torch.nn.Linear(64, 1)})
        self.balancer = pt.balancing.UPGrad()
        self.peaks = KeptPeaks(
            tasks, lambda model, task: model(x[train])[task], balancer=self.balancer, patience=4, min_evaluations=8
        )

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
        inputs, digit, _ = batch
        outputs = self(inputs)
        self.log("val_digit", accuracy(outputs["digit"], digit, task="multiclass", num_classes=10))
        self.log("val_size", r2_score(outputs["size"], (digit - 4.5) / 2.9))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 3e-3)


pl.seed_everything(0)
module = Digits()
loader = DataLoader(TensorDataset(x[train], y[train], torch.arange(len(train))), batch_size=128, shuffle=True)
validation = DataLoader(TensorDataset(x[held], y[held], held), batch_size=len(held))
trainer = pl.Trainer(max_epochs=60, callbacks=[KeepPeaks(module.peaks), Balancing(module.balancer)], accelerator="cpu",
                     precision="bf16-mixed", logger=False, enable_checkpointing=False, enable_progress_bar=False,
                     enable_model_summary=False)  # fmt: skip
trainer.fit(module, loader, validation)
