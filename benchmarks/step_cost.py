"""Cost of one equal-weights step of our loop, relative to a bare PyTorch loop with separate heads.

Both loops train the same network on the same batches with the same Adam, interleaved in one process: rounds of a few
steps of each in turn, ratio of the medians per step.

    python benchmarks/step_cost.py --rounds 40

With ``--methods`` the step of balancing methods, relative to our own step with equal weights, interleaved alike.
Options follow the name:

    python benchmarks/step_cost.py --cases mlp_9 --methods dwa upgrad upgrad:gradients=representation gradnorm:every=8
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import yaml
from torch import Tensor, nn

import polytask as pt
from polytask.balancing import BALANCERS, Balancer
from polytask.training import Training


@dataclass
class Case:
    """One configuration: how to make the encoder, the inputs and the tasks."""

    encoder: Callable[[], nn.Module]
    width: int
    inputs: Callable[[int], Tensor]
    tasks: list[pt.Task]
    batch: int
    bound: float


def mlp(*widths: int) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers)


def conv() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(720, 50), nn.ReLU(),
    )  # fmt: skip


class Transformer(nn.Module):
    """Four pre-norm blocks, mean-pooled."""

    out_features = 128

    def __init__(self) -> None:
        super().__init__()
        block = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, 4, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x).mean(1)


def binary(k: int) -> list[pt.Task]:
    return [pt.Task(f"t{i}") for i in range(k)]


def multiclass(k: int) -> list[pt.Task]:
    return [pt.Task(f"t{i}", kind="multiclass", classes=tuple("0123456789")) for i in range(k)]


CASES = {
    "mlp_9": Case(lambda: mlp(256, 512, 512, 256), 256, lambda n: torch.randn(n, 256), binary(9), 256, 0.85),
    "mlp_40": Case(lambda: mlp(256, 512, 512, 256), 256, lambda n: torch.randn(n, 256), binary(40), 256, 0.60),
    "conv_2": Case(conv, 50, lambda n: torch.randn(n, 1, 36, 36), multiclass(2), 256, 1.05),
    "transformer_5": Case(Transformer, 128, lambda n: torch.randn(n, 64, 128), binary(5), 32, 1.05),
    "tiny_3": Case(lambda: mlp(32, 64, 32), 32, lambda n: torch.randn(n, 32), binary(3), 64, 1.25),
}


def bare_loop(case: Case, rows: pt.Rows, seed: int) -> Callable[[], None]:
    """What a careful person writes by hand: a head per task, the sum of the losses, Adam."""
    torch.manual_seed(seed)
    encoder = case.encoder()
    heads = nn.ModuleList(nn.Linear(case.width, task.width) for task in case.tasks)
    optimizer = torch.optim.Adam([*encoder.parameters(), *heads.parameters()], lr=1e-3)
    batches = [rows[ids] for ids in torch.arange(len(rows)).split(case.batch)]
    position = 0

    def step() -> None:
        nonlocal position
        batch = batches[position % len(batches)]
        position += 1
        optimizer.zero_grad()
        features = encoder(batch.inputs)
        total = torch.zeros(())
        for index, (task, head) in enumerate(zip(case.tasks, heads, strict=True)):
            if task.kind == "binary":
                loss = nn.functional.binary_cross_entropy_with_logits(head(features)[:, 0], batch.targets[:, index])
            else:
                loss = nn.functional.cross_entropy(head(features), batch.targets[:, index].long())
            total = total + loss
        total.backward()
        optimizer.step()

    return step


def fused_loop(case: Case, rows: pt.Rows, seed: int) -> Callable[[], None]:
    """What a loop for binary tasks can cost at the least: one wide head, one loss call, fused Adam, all by hand."""
    torch.manual_seed(seed)
    encoder, head = case.encoder(), nn.Linear(case.width, len(case.tasks))
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-3, fused=True)
    batches = [rows[ids] for ids in torch.arange(len(rows)).split(case.batch)]
    position = 0

    def step() -> None:
        nonlocal position
        batch = batches[position % len(batches)]
        position += 1
        optimizer.zero_grad()
        outputs = head(encoder(batch.inputs))
        loss = nn.functional.binary_cross_entropy_with_logits(outputs, batch.targets, reduction="none")
        loss.mean(0).sum().backward()
        optimizer.step()

    return step


def our_loop(case: Case, rows: pt.Rows, seed: int, method: str = "equal") -> Callable[[], None]:
    torch.manual_seed(seed)
    training = Training(
        pt.MultiTaskModel(case.encoder(), case.tasks, features=case.width), rows, rows,
        balancer=make_balancer(method), callbacks=[],
        settings=pt.TrainingSettings(steps=10**9, batch_size=case.batch, evaluate_every=10**9), seed=seed,
    )  # fmt: skip
    return training.advance


def make_balancer(spec: str) -> Balancer:
    """A balancer from ``name:option=value:...``."""
    name, *texts = spec.split(":")
    options: dict[str, object] = {"values": {}} if name == "static" else {}
    options |= {key: yaml.safe_load(value) for key, value in (text.split("=") for text in texts)}
    return BALANCERS[name](**options)


def random_rows(case: Case, seed: int) -> pt.Rows:
    torch.manual_seed(seed)
    n = case.batch * 8
    targets = torch.stack([torch.randint(0, max(2, task.width), (n,)).float() for task in case.tasks], 1)
    return pt.Rows(case.inputs(n), targets, None)


def measure(case: Case, rounds: int, seed: int = 0, method: str | None = None) -> tuple[float, float, float]:
    """Medians in milliseconds of two steps, and the median of the rounds' ratios.

    Bare and ours with equal weights; or ours with equal weights and with a method; or bare and ``fused``.
    """
    rows = random_rows(case, seed)
    loops = [bare_loop(case, rows, seed), our_loop(case, rows, seed)]
    if method:
        loops = [loops[0], fused_loop(case, rows, seed)] if method == "fused" else loops[1:]
        loops += [] if method == "fused" else [our_loop(case, rows, seed, method)]
    times: list[list[float]] = [[], []]
    for number in range(rounds + 3):
        for which in (0, 1) if number % 2 else (1, 0):
            started = time.perf_counter()
            for _ in range(8):
                loops[which]()
            if number >= 3:
                times[which].append((time.perf_counter() - started) / 8)
    ratios = [ours / bare for bare, ours in zip(*times, strict=True)]
    return *(1000 * statistics.median(t) for t in times), statistics.median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--methods", nargs="*", default=[], help="balancing methods, see above")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.cases if options.methods else ():
        print(f"{name}: {'method':<34} {'equal ms':>8} {'ms':>8} {'ratio':>6}")
        for method in options.methods:
            equal, ours, ratio = measure(CASES[name], options.rounds, method=method)
            print(f"{name}: {method:<34} {equal:8.2f} {ours:8.2f} {ratio:6.2f}", flush=True)
    if options.methods:
        return
    print(f"{'case':<14} {'bare ms':>8} {'ours ms':>8} {'ratio':>6} {'bound':>6} {'fused by hand':>14}")
    for name in options.cases:
        case = CASES[name]
        bare, ours, ratio = measure(case, options.rounds)
        binary_only = all(task.kind == "binary" for task in case.tasks)
        least = f"{measure(case, options.rounds, method='fused')[2]:14.2f}" if binary_only else f"{'-':>14}"
        print(f"{name:<14} {bare:8.2f} {ours:8.2f} {ratio:6.2f} {case.bound:6.2f} {least}", flush=True)


if __name__ == "__main__":
    main()
