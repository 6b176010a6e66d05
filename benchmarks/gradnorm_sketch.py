"""How far GradNorm's norms along a few directions are from the norms themselves, and what they cost.

A network of two hidden layers, linear heads; random regressions that share half of their signal. By width of the last
layer and number of tasks: the root mean square error of a norm in a single step, at the start and after some steps of
training, and milliseconds of the measurement. Layers of more than 128 outputs are measured at 128, as by default.

    python benchmarks/gradnorm_sketch.py
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import Tensor, nn

from polytask.balancing.last_layer import last_layer_rows
from polytask.balancing.step_graph import Differentiated

ROWS, DRAWS = 256, 40


def problem(width: int, tasks: int, steps: int) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """Losses ``[K]`` with their graph, representation and last layer's weight, after this many steps of Adam."""
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(32, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
    heads = nn.Linear(width, tasks)
    goal = torch.randn(32, 1) + torch.randn(32, tasks)
    optimizer = torch.optim.Adam([*trunk.parameters(), *heads.parameters()], lr=1e-3)
    for step in range(steps + 1):
        x = torch.randn(ROWS, 32)
        features = trunk(x)
        values = (heads(features) - torch.tanh(x @ goal)).square().mean(0)
        if step < steps:
            optimizer.zero_grad()
            values.sum().backward()
            optimizer.step()
    return trunk, values, features, trunk[2].weight


def norms(values: Tensor, features: Tensor, weight: Tensor, directions: int, seed: int) -> Tensor:
    every = max(1, len(weight) // 128) if directions < len(weight) else 1
    losses = Differentiated.of(values, [features])
    rows = last_layer_rows(losses, [features], weight, directions=directions, every=every, seed=seed)
    assert rows is not None
    return rows.square().sum((1, 2)).sqrt()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="*", default=[32, 128, 512])
    parser.add_argument("--tasks", type=int, nargs="*", default=[3, 9, 40])
    parser.add_argument("--directions", type=int, nargs="*", default=[4, 16, 32, 64, 128])
    options = parser.parse_args()
    print("| width | tasks | directions | error at the start | after 300 steps | ms |\n|---:|---:|---:|---:|---:|---:|")
    for width in options.widths:
        for tasks in options.tasks:
            problems = [problem(width, tasks, steps) for steps in (0, 300)]
            for number in [n for n in options.directions if n < width] + [width]:
                errors = []
                for _, *parts in problems:
                    exact = norms(*parts, width, 0)  # type: ignore[arg-type]
                    draws = [norms(*parts, number, seed) / exact - 1 for seed in range(DRAWS)]  # type: ignore[arg-type]
                    errors.append(torch.stack(draws).square().mean().sqrt().item())
                times = []
                for seed in range(12):
                    started = time.perf_counter()
                    norms(*problems[0][1:], number, seed)  # type: ignore[arg-type]
                    times.append(time.perf_counter() - started)
                cells = [f"{100 * error:.1f} %" for error in errors]
                print(
                    f"| {width} | {tasks} | {number} | {' | '.join(cells)} | {1000 * statistics.median(times):.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
