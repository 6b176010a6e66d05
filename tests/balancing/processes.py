"""Every method on two processes, which are started once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from balancing.cases import TASKS, Net, batch, gradients, make
from polytask.balancing import BALANCERS, GradientBalancer
from polytask.processes.collectives import average_gradients
from spawned import run_in_processes

#: Options with which a method takes gradients at the representation.
AT_REPRESENTATION: dict[str, dict[str, Any]] = {
    name: {"gradients": "representation"} | ({"beta": 0.0} if name == "db_mtl" else {})
    for name, method in BALANCERS.items()
    if issubclass(method, GradientBalancer) and "representation" in method.sources
}
#: Ways to take gradients while a process has no task: representations are given nowhere, where there is a task, or
#: everywhere.
IDLE = [(name, way) for name in BALANCERS for way in ("shared", "features")]
IDLE += [(name, "representation") for name in AT_REPRESENTATION]


class AsOne(nn.Module):
    """Features and losses from one forward pass, as DDP wants it."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, y: Tensor) -> Any:
        return self.net.losses(x, y)


def train(name: str, way: str, rank: int) -> tuple[Tensor, Tensor]:
    """Two steps without moving the parameters: weights and gradients of the second."""
    net, balancer = Net(), make(name)
    balancer.bind(TASKS)
    model: nn.Module = AsOne(net)
    if way == "ddp":
        model = DistributedDataParallel(model)
    for seed in (1, 2):
        x, y = (part.chunk(2)[rank] for part in batch(seed))
        net.zero_grad(set_to_none=True)
        features, losses = model(x, y)
        weights = balancer.backward(losses, shared=net.trunk.parameters(), features=features)
        if way == "by_hand":
            average_gradients(net.parameters())
        if balancer.needs.second_forward:
            balancer.after_step(lambda x=x, y=y: net.losses(x, y)[1])
    return weights, gradients(net)


def with_an_idle_process(name: str, way: str, rank: int) -> tuple[Tensor, Tensor]:
    """As :func:`train`, if all rows are those of the first process, in float64; the other one has no loss."""
    net, balancer = Net(), make(name, **(AT_REPRESENTATION[name] if way == "representation" else {}))
    balancer.bind(TASKS)
    for seed in (1, 2):
        net.zero_grad(set_to_none=True)
        features, losses = net.losses(*(part if rank == 0 else part[:0] for part in batch(seed)))
        here = way == "representation" or (rank == 0 and way == "features")
        losses = {task: loss.double() for task, loss in losses.items()} if rank == 0 else {}
        weights = balancer.backward(
            losses,
            shared=net.trunk.parameters(),
            features=features if here else None,
        )
        average_gradients(net.parameters())
        if balancer.needs.second_forward:
            balancer.after_step(lambda losses=losses: losses)
    return weights, gradients(net)


def famo_at_rest(rank: int) -> Tensor:
    """Logits after steps that change no loss, whose means are over unequal numbers of labels."""
    balancer, weight = make("famo", weight_decay=0.0), torch.ones((), requires_grad=True)
    losses = {"a": weight * (1.0, 3.0)[rank], "b": weight * 2.0}
    for _ in range(3):
        balancer.backward(losses, counts={"a": (30, 2)[rank], "b": 16}, backward=lambda total: None)
        balancer.after_step(lambda: losses)
    return balancer.logits


def run(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    found = {"famo at rest": {f"logits_{rank}": famo_at_rest(rank)}}
    for name in BALANCERS:
        for way in ("by_hand", "ddp"):
            weights, vector = train(name, way, rank)
            found[f"{name}/{way}"] = {f"weights_{rank}": weights, f"gradients_{rank}": vector}
    for name, way in IDLE:
        weights, vector = with_an_idle_process(name, way, rank)
        found[f"{name}/idle {way}"] = {f"weights_{rank}": weights, f"gradients_{rank}": vector}
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def two_processes(folder: Path) -> dict[str, dict[str, Tensor]]:
    """Weights and gradients by method and way, of both processes."""
    run_in_processes(run, (str(folder),), 2, seconds=300)
    parts = [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]
    return {key: parts[0][key] | parts[1][key] for key in parts[0]}
