"""GradNorm's synthetic problem: regression tasks that differ in scale by up to two orders.

Task i is ``f_i(x) = s_i tanh((B + E_i) x)`` with a common matrix B ~ N(0, 10) and one of its own E_i ~ N(0, 3.5): all
are equally hard, and only the scales ``s_i`` tell them apart. With equal weights the loud tasks rule the shared layers
and the quiet ones starve; with GradNorm all learn at one speed. (Section 4.1 of the paper, on a smaller network.)

    python benchmarks/gradnorm_toy.py --steps 3000 --out docs/methods/gradnorm_toy.md
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import torch
from torch import Tensor, nn

from polytask.balancing import BALANCERS, Balancer

SCALES = {"2 tasks": (1.0, 100.0), "10 tasks": (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 60.0, 80.0, 100.0)}


class Toy:
    """Targets and a network of four shared layers with a linear head per task."""

    def __init__(self, scales: tuple[float, ...], *, inputs: int = 50, outputs: int = 20, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        common = torch.randn(outputs, inputs, generator=generator) * 10**0.5
        own = [torch.randn(outputs, inputs, generator=generator) * 3.5**0.5 for _ in scales]
        self.inputs, self.scales, self.generator = inputs, scales, generator
        # Divided by the root of the number of inputs, so that tanh is not a step function.
        self.maps = [(common + matrix) / inputs**0.5 / 3 for matrix in own]
        torch.manual_seed(seed)
        widths = [inputs, 100, 100, 100, 100]
        layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.Linear(100, outputs) for _ in scales)

    def losses(self, rows: int) -> tuple[Tensor, dict[str, Tensor]]:
        x = torch.randn(rows, self.inputs, generator=self.generator)
        features = self.trunk(x)
        losses = {}
        for scale, matrix, head in zip(self.scales, self.maps, self.heads, strict=True):
            # As in the paper each head predicts in units of its task.
            losses[f"{scale:g}"] = ((scale * (head(features) - torch.tanh(x @ matrix.T))) ** 2).mean()
        return features, losses


def relative_losses(
    scales: tuple[float, ...], balancer: Balancer, steps: int, *, lr: float = 1e-3, rows: int = 64, seed: int = 0
) -> dict[str, float]:
    """Loss at the end relative to the start of every task; equal numbers mean that all learned at one speed."""
    toy = Toy(scales, seed=seed)
    parameters = [*toy.trunk.parameters(), *toy.heads.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    with torch.no_grad():
        start = {name: float(loss) for name, loss in toy.losses(2048)[1].items()}
    for _ in range(steps):
        optimizer.zero_grad()
        features, losses = toy.losses(rows)
        balancer.backward(losses, shared=toy.trunk.parameters(), features=features)
        optimizer.step()
    with torch.no_grad():
        return {name: float(loss) / start[name] for name, loss in toy.losses(2048)[1].items()}


def spread(relative: dict[str, float]) -> float:
    """The worst task's relative loss over the best one's."""
    return max(relative.values()) / min(relative.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = ["# GradNorm's synthetic problem", "", (__doc__ or "").split("\n\n")[1], ""]
    for title, scales in SCALES.items():
        results = {
            "equal": relative_losses(scales, BALANCERS["equal"](), options.steps),
            "gradnorm, alpha 0.12": relative_losses(scales, BALANCERS["gradnorm"](alpha=0.12), options.steps),
        }
        lines += [f"## {title}, {options.steps} steps: loss relative to its start, by scale of the task", ""]
        lines += [
            f"| weights | {' | '.join(f'{s:g}' for s in scales)} | worst / best |",
            "|---" * (len(scales) + 2) + "|",
        ]
        lines += [
            f"| {name} | {' | '.join(f'{value:.3f}' for value in found.values())} | {spread(found):.1f} |"
            for name, found in results.items()
        ]
        lines += [""]
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
