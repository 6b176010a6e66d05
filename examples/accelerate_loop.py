"""A loop with accelerate that goes on after a kill, alone or under `accelerate launch --num_processes 2 --cpu`."""

from pathlib import Path

import torch
from accelerate import Accelerator
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

import polytask as pt

digits = load_digits()
x, y = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
train, held = torch.utils.data.random_split(TensorDataset(x, y), [1397, 400], torch.Generator().manual_seed(0))


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU())
        self.heads = torch.nn.ModuleDict({"digit": torch.nn.Linear(64, 10), "even": torch.nn.Linear(64, 1)})

    def forward(self, inputs):
        features = self.encoder(inputs)
        return {task: head(features) for task, head in self.heads.items()}


torch.manual_seed(0)
accelerator, network, folder = Accelerator(cpu=True), Network(), Path("accelerate-run")
shared = list(network.encoder.parameters())
model, optimizer, loader = accelerator.prepare(
    network, torch.optim.Adam(network.parameters(), 3e-3), DataLoader(train, batch_size=64, shuffle=True)
)
balancer = pt.balancing.GradNorm()  # agrees on its weights with the other processes
accelerator.register_for_checkpointing(balancer)
done = [int(path.name) for path in folder.glob("[0-9]*")]
if done:
    accelerator.load_state(folder / str(max(done)))
for epoch in range(max(done, default=0), 15):
    for inputs, digit in loader:
        outputs, even = model(inputs), (digit % 2 == 0).float()
        losses = {
            "digit": torch.nn.functional.cross_entropy(outputs["digit"], digit),
            "even": torch.nn.functional.binary_cross_entropy_with_logits(outputs["even"][:, 0], even),
        }
        balancer.backward(losses, shared=shared, backward=accelerator.backward)
        optimizer.step()
        optimizer.zero_grad()
    accelerator.save_state(folder / "writing")
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:  # under its final name once it is whole
        (folder / "writing").rename(folder / str(epoch + 1))

inputs, digit = held[:]
with torch.no_grad():
    accuracy = (network(inputs)["digit"].argmax(1) == digit).float().mean().item()
accelerator.print(f"accuracy {accuracy:.3f}")
accelerator.end_training()  # several processes leave together
