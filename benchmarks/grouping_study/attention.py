"""How good every network would be, by attention among its tasks."""

from __future__ import annotations

from statistics import fmean, pstdev

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from polytask.grouping.strategies import Measured

from .predicted import Known, Network, all_networks

WIDTH, STEPS, RATE, DECAY = 16, 200, 1e-2, 1e-2


class AttentionNet(nn.Module):
    """What each task of a network gains over the network for all.

    A task has a learned vector; the tasks of a network attend to each other, and a small network reads each result.
    Source: after X. Song, S. Zheng, W. Cao, J. J. Q. Yu, J. Bian, "Efficient and Effective Multi-task Grouping via Meta
    Learning on Task Combinations" (MTG-Net), NeurIPS 2022, smaller, and without the choice of what is trained next.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(tasks, WIDTH) / WIDTH**0.5)
        self.attention = nn.MultiheadAttention(WIDTH, 1, batch_first=True)
        self.read = nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))

    def forward(self, members: Tensor) -> Tensor:
        """``[N, K]`` from whether each of K tasks is in each of N networks; without meaning where it is not."""
        own = self.vectors.expand(len(members), -1, -1)
        seen, _ = self.attention(own, own, own, key_padding_mask=~members, need_weights=False)
        return self.read(torch.cat([own, seen], -1)).squeeze(-1)


def attention(tasks: Network, known: Known, seed: int) -> list[Measured]:
    """Skills of all networks, predicted from those of a few and of the network for all.

    Example:
        >>> known = {("a", "b", "c"): {"a": 0.5, "b": 0.5, "c": 0.5}, ("a", "b"): {"a": 0.7, "b": 0.5}}
        >>> with_c, without_c = (attention(("a", "b", "c"), known, 0)[place].scores["a"] for place in (4, 3))
        >>> without_c > with_c
        True
    """
    gains = [known[network][task] - known[tasks][task] for network in known for task in network]
    middle, spread = fmean(gains), pstdev(gains) or 1.0
    members = _members(tasks, list(known))
    wanted = torch.zeros(len(known), len(tasks))
    wanted[members] = (torch.tensor(gains) - middle) / spread
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        net = AttentionNet(len(tasks))
        optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
        for _ in range(STEPS):
            optimizer.zero_grad()
            mse_loss(net(members)[members], wanted[members]).backward()
            optimizer.step()
    networks = all_networks(tasks)
    with torch.no_grad():
        found = net(_members(tasks, networks)) * spread + middle
    return [
        Measured({task: known[tasks][task] + float(found[row, tasks.index(task)]) for task in network})
        for row, network in enumerate(networks)
    ]


def _members(tasks: Network, networks: list[Network]) -> Tensor:
    """``[N, K]``: whether a task is in a network; tasks of a network are in the order of all tasks."""
    return torch.tensor([[task in network for task in tasks] for network in networks])
