"""Kept peaks in a plain PyTorch loop with its own model; started again after a kill, it continues bit for bit."""

from pathlib import Path

import torch
from sklearn.datasets import load_digits

import polytask as pt
from polytask.integrations import KeptPeaks

digits = load_digits()
order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
x, y = torch.tensor(digits.data, dtype=torch.float32)[order] / 16, torch.tensor(digits.target)[order]
labels = {"digit": y, "even": (y % 2 == 0).float(), "size": (y - 4.5) / 2.9}
tasks = [pt.Task("digit", "multiclass", classes=tuple("0123456789")), pt.Task("even"), pt.Task("size", "regression")]
rows, checkpoint = 1200, Path("checkpoint.pt")  # the first rows are for training, the others for validation


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU())
        widths = {"digit": 10, "even": 1, "size": 1}
        self.heads = torch.nn.ModuleDict({name: torch.nn.Linear(64, width) for name, width in widths.items()})

    def forward(self, inputs):
        features = self.encoder(inputs)
        return {name: head(features) for name, head in self.heads.items()}


torch.manual_seed(0)
model = Network()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
peaks = KeptPeaks(tasks, lambda model, task: model(x[:rows])[task], patience=5)
parts, done = {"model": model, "optimizer": optimizer, "peaks": peaks}, 0
if checkpoint.exists():
    state = torch.load(checkpoint, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["rng"])
    done = state["steps"]

for step in range(done + 1, 1501):
    ids = torch.randint(rows, (128,))
    losses = peaks.losses(model(x[ids]), {name: values[ids] for name, values in labels.items()}, ids)
    sum(losses.values()).backward()
    optimizer.step()
    optimizer.zero_grad()
    if step % 25 == 0:
        with torch.no_grad():
            outputs = model(x[rows:])
        metrics = {task.name: pt.task_estimate(task, outputs[task.name], labels[task.name][rows:]) for task in tasks}
        for name in peaks.update(step, metrics, model):
            print(f"{name}: best {peaks.monitors[name].best:.3f}, converged at step {step}")
        state = {name: part.state_dict() for name, part in parts.items()}
        torch.save(state | {"rng": torch.get_rng_state(), "steps": step}, "writing.pt")
        Path("writing.pt").replace(checkpoint)  # a kill leaves the old file or the new one
