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
from pathlib import Path

import torch
from torch import Tensor, nn

from polytask.balancing import UPGrad
from step_cost import CASES, Case


def ours(case: Case, encoder: nn.Module, heads: nn.ModuleList) -> Callable[[Tensor, Tensor], None]:
    balancer = UPGrad()
    shared = list(encoder.parameters())

    def step(x: Tensor, y: Tensor) -> None:
        features = encoder(x)
        balancer.backward(losses(case, heads, features, y), shared=shared, features=features)

    return step


def theirs(case: Case, encoder: nn.Module, heads: nn.ModuleList) -> Callable[[Tensor, Tensor], None]:
    from torchjd.aggregation import UPGrad as Aggregator
    from torchjd.autojac import jac_to_grad, mtl_backward

    aggregator, shared = Aggregator(), list(encoder.parameters())

    def step(x: Tensor, y: Tensor) -> None:
        features = encoder(x)
        values = list(losses(case, heads, features, y).values())
        mtl_backward(values, features, tasks_params=[list(h.parameters()) for h in heads], shared_params=shared)
        jac_to_grad(shared, aggregator)

    return step


def losses(case: Case, heads: nn.ModuleList, features: Tensor, y: Tensor) -> dict[str, Tensor]:
    found = {}
    for i, (task, head) in enumerate(zip(case.tasks, heads, strict=True)):
        out = head(features)
        if task.kind == "binary":
            found[task.name] = nn.functional.binary_cross_entropy_with_logits(out[:, 0], y[:, i].float())
        else:
            found[task.name] = nn.functional.cross_entropy(out, y[:, i])
    return found


WAYS = {"ours": ours, "torchjd": theirs}


def runner(name: str, way: str) -> Callable[[], None]:
    torch.manual_seed(0)
    case = CASES[name]
    encoder = case.encoder()
    heads = nn.ModuleList(nn.Linear(case.width, task.width) for task in case.tasks)
    x = case.inputs(case.batch)
    y = torch.stack([torch.randint(0, max(2, task.width), (case.batch,)) for task in case.tasks], 1)
    step = WAYS[way](case, encoder, heads)
    optimizer = torch.optim.Adam([*encoder.parameters(), *heads.parameters()], lr=1e-3, fused=True)

    def whole() -> None:
        optimizer.zero_grad()
        step(x, y)
        optimizer.step()

    return whole


def high_water() -> float:
    """Most memory that this process has had, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


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
