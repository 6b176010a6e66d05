"""Our exact mode against torchjd's own ``mtl_backward`` on the same model with separate heads: time and peak memory.

python benchmarks/exact_gradients.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from polytask.balancing import UPGrad
from step_cost import CASES, Case, high_water, separate_losses
from step_cost_peers import peer_step


def ours(case: Case, encoder: nn.Module, heads: nn.ModuleList) -> Callable[[Tensor, Tensor], None]:
    balancer = UPGrad()
    shared = list(encoder.parameters())

    def step(x: Tensor, y: Tensor) -> None:
        features = encoder(x)
        losses = dict(zip([task.name for task in case.tasks], separate_losses(case)(heads, features, y), strict=True))
        balancer.backward(losses, shared=shared, features=features)

    return step


def theirs(case: Case, encoder: nn.Module, heads: nn.ModuleList) -> Callable[[Tensor, Tensor], None]:
    return peer_step("torchjd:UPGrad", encoder, heads, separate_losses(case))[0]


WAYS = {"ours": ours, "torchjd": theirs}


def runner(name: str, way: str) -> Callable[[], None]:
    torch.manual_seed(0)
    case = CASES[name]
    encoder = case.encoder()
    heads = nn.ModuleList(nn.Linear(case.width, task.width) for task in case.tasks)
    x = case.inputs(case.batch)
    y = torch.stack([torch.randint(0, max(2, task.width), (case.batch,)).float() for task in case.tasks], 1)
    step = WAYS[way](case, encoder, heads)
    optimizer = torch.optim.Adam([*encoder.parameters(), *heads.parameters()], lr=1e-3, fused=True)

    def whole() -> None:
        optimizer.zero_grad()
        step(x, y)
        optimizer.step()

    return whole


def peak(name: str, way: str) -> float:
    """Peak memory of a process of its own, MB, above that before the first step."""
    output = subprocess.run([sys.executable, __file__, "--peak", name, way], check=True, capture_output=True, text=True)
    return float(output.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cases", nargs="*", default=["mlp_9", "mlp_40", "conv_2", "transformer_5"])
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        step = runner(*options.peak)
        before = high_water()
        for _ in range(3):
            step()
        print(high_water() - before)
        return
    print(f"{'case':<14} {'ours ms':>8} {'torchjd':>8} {'ratio':>6} {'ours MB':>8} {'torchjd':>8}")
    for name in options.cases:
        steps = {way: runner(name, way) for way in WAYS}
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(options.rounds + 1):
            for way in list(WAYS) if number % 2 else list(WAYS)[::-1]:
                started = time.perf_counter()
                steps[way]()
                if number:
                    times[way].append(time.perf_counter() - started)
        ratio = statistics.median(a / b for a, b in zip(times["ours"], times["torchjd"], strict=True))
        medians = [1000 * statistics.median(times[way]) for way in WAYS]
        memory = [peak(name, way) for way in WAYS]
        print(
            f"{name:<14} {medians[0]:8.1f} {medians[1]:8.1f} {ratio:6.2f} {memory[0]:8.0f} {memory[1]:8.0f}", flush=True
        )


if __name__ == "__main__":
    main()
