"""Cost of one equal-weights step of our loop, relative to a bare PyTorch loop with separate heads.

Both loops train the same network on the same batches with the same Adam, interleaved in one process: rounds of a few
steps of each in turn, ratio of the medians per step.

    python benchmarks/step_cost.py --rounds 40

With ``--methods`` the step of balancing methods and of other libraries, relative to our own step with equal weights,
all interleaved in one process. Options follow a method's name; ``all`` is every method, ``peers`` what
``step_cost_peers.py`` finds. Runs add to one file, so that a long table can be made in pieces:

    python benchmarks/step_cost.py --config a --methods all --rounds 15 --save step_cost.json
    python benchmarks/step_cost.py --config a --methods upgrad:gradients=representation peers --save step_cost.json
    python benchmarks/step_cost.py --config d --memory upgrad torchjd:UPGrad --save step_cost.json
    python benchmarks/step_cost.py --table step_cost.json
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

import polytask as pt
from polytask.balancing import BALANCERS, Balancer
from polytask.data import Batch
from polytask.training import Training
from step_cost_peers import available, peer_step


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


#: Names of the configurations in the project's tables.
LETTERS = {"a": "mlp_9", "b": "conv_2", "c": "transformer_5", "d": "mlp_40"}
RATIO, MEMORY = "step, relative to equal weights", "peak memory of a step, MB"


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


def fused_loop(case: Case, rows: pt.Rows, seed: int, *, again: bool = False) -> Callable[[], None]:
    """What a loop for binary tasks can cost at the least: one wide head, one loss call, fused Adam, all by hand.

    With ``again`` the losses are computed once more after the step, without gradients: the least of a FAMO step."""
    torch.manual_seed(seed)
    encoder, head = case.encoder(), nn.Linear(case.width, len(case.tasks))
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-3, fused=True)
    batches = [rows[ids] for ids in torch.arange(len(rows)).split(case.batch)]
    position = 0

    def losses(batch: Batch) -> Tensor:
        outputs = head(encoder(batch.inputs))
        return nn.functional.binary_cross_entropy_with_logits(outputs, batch.targets, reduction="none").mean(0)

    def step() -> None:
        nonlocal position
        batch = batches[position % len(batches)]
        position += 1
        optimizer.zero_grad()
        losses(batch).sum().backward()
        optimizer.step()
        if again:
            with torch.no_grad():
                losses(batch)

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


def separate_losses(case: Case) -> Callable[[nn.ModuleList, object, Tensor], list[Tensor]]:
    """Losses with a head per task; ``features`` may be one tensor for all heads or one for each."""

    def losses(heads: nn.ModuleList, features: object, targets: Tensor) -> list[Tensor]:
        found = []
        for index, (task, head) in enumerate(zip(case.tasks, heads, strict=True)):
            outputs = head(features[index] if isinstance(features, list) else features)
            if task.kind == "binary":
                found.append(nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], targets[:, index]))
            else:
                found.append(nn.functional.cross_entropy(outputs, targets[:, index].long()))
        return found

    return losses


def peer_loop(case: Case, rows: pt.Rows, seed: int, spec: str) -> Callable[[], None]:
    torch.manual_seed(seed)
    encoder = case.encoder()
    heads = nn.ModuleList(nn.Linear(case.width, task.width) for task in case.tasks)
    forward_backward, parameters = peer_step(spec, encoder, heads, separate_losses(case))
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    batches = itertools.cycle([rows[ids] for ids in torch.arange(len(rows)).split(case.batch)])

    def step() -> None:
        batch = next(batches)
        optimizer.zero_grad()
        forward_backward(batch.inputs, batch.targets)
        optimizer.step()

    return step


def make_loop(case: Case, rows: pt.Rows, seed: int, name: str) -> Callable[[], None]:
    """A loop by its name: ``bare``, ``fused``, ``fused_again``, a method with options, or a peer."""
    if name == "bare":
        return bare_loop(case, rows, seed)
    if name in ("fused", "fused_again"):
        return fused_loop(case, rows, seed, again=name == "fused_again")
    return (peer_loop if name.startswith(("torchjd:", "libmtl:")) else our_loop)(case, rows, seed, name)


def measure(case: Case, names: list[str], rounds: int, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Median milliseconds of a step, and the median of the rounds' ratios to the first of ``names``.

    Every round runs the same small number of steps of all, in changing order."""
    rows = random_rows(case, seed)
    loops = {name: make_loop(case, rows, seed, name) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in names if number % 2 else names[::-1]:
            started = time.perf_counter()
            loops[name]()  # warm
            steps = 8 if time.perf_counter() - started < 0.05 else 2
            started = time.perf_counter()
            for _ in range(steps):
                loops[name]()
            if number:
                times[name].append((time.perf_counter() - started) / steps)
    first = times[names[0]]
    return {
        name: (1000 * statistics.median(found), statistics.median(t / f for t, f in zip(found, first, strict=True)))
        for name, found in times.items()
    }


def peak_memory(case: str, name: str) -> float:
    """Peak memory of three steps in a process of their own, MB above that before them."""
    command = [sys.executable, __file__, "--peak", case, name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peak(case: str, name: str) -> float:
    loop = make_loop(CASES[case], random_rows(CASES[case], 0), 0, name)
    before = high_water()
    for _ in range(3):
        loop()
    return high_water() - before


def high_water() -> float:
    """Most memory that this process has had, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def save(file: Path | None, case: str, kind: str, found: dict[str, float]) -> None:
    """Add figures to those in the file."""
    if file is None:
        return
    known = json.loads(file.read_text()) if file.exists() else {}
    known.setdefault(kind, {}).setdefault(case, {}).update(found)
    file.write_text(json.dumps(known, indent=1) + "\n")


def table(file: Path) -> str:
    """What has been saved, Markdown: a row per method, a column per configuration."""
    known = json.loads(file.read_text())
    lines = []
    for kind, found in known.items():
        columns = [case for case in CASES if case in found]
        names = dict.fromkeys(name for case in columns for name in found[case])
        lines += [f"| {kind} | {' | '.join(columns)} |", "|---" + "|---:" * len(columns) + "|"]
        digits = 2 if kind == RATIO else 0
        lines += [
            f"| {name} | "
            + " | ".join(f"{found[c][name]:.{digits}f}" if name in found[c] else "" for c in columns)
            + " |"
            for name in names
        ]
        lines += [""]
    return "\n".join(lines)


def named(words: list[str]) -> list[str]:
    """Names with ``all`` and ``peers`` written out."""
    groups = {"all": list(BALANCERS), "peers": available()}
    return list(dict.fromkeys(name for word in words for name in groups.get(word, [word]) if name != "equal"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cases", "--config", nargs="*", default=list(CASES), help=f"{', '.join(CASES)}; or a b c d")
    parser.add_argument("--methods", nargs="*", default=[], help="balancing methods and peers, see above")
    parser.add_argument("--memory", nargs="*", default=[], help="the same, peak memory instead of time")
    parser.add_argument("--save", type=Path, help="JSON file that figures are added to")
    parser.add_argument("--table", type=Path, help="only print the figures of such a file, as Markdown")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.table:
        print(table(options.table))
        return
    if options.peak:
        print(_peak(*options.peak))
        return
    cases = [LETTERS.get(name, name) for name in options.cases]
    for name in cases if options.methods else ():
        print(f"{name}: {'method':<34} {'ms':>8} {'ratio':>6}")
        found = measure(CASES[name], ["equal", *named(options.methods)], options.rounds)
        for method, (milliseconds, ratio) in found.items():
            print(f"{name}: {method:<34} {milliseconds:8.2f} {ratio:6.2f}", flush=True)
        save(options.save, name, RATIO, {method: round(ratio, 3) for method, (_, ratio) in found.items()})
    for name in cases if options.memory else ():
        peaks = {method: peak_memory(name, method) for method in ["equal", *named(options.memory)]}
        print(f"{name}: " + ", ".join(f"{method} {peak:.0f} MB" for method, peak in peaks.items()), flush=True)
        save(options.save, name, MEMORY, {method: round(peak, 1) for method, peak in peaks.items()})
    if options.methods or options.memory:
        return
    print(f"{'case':<14} {'bare ms':>8} {'ours ms':>8} {'ratio':>6} {'bound':>6} {'fused by hand':>14}")
    for name in cases:
        case = CASES[name]
        binary_only = all(task.kind == "binary" for task in case.tasks)
        found = measure(case, ["bare", "equal", *(["fused"] if binary_only else [])], options.rounds)
        (bare, _), (ours, ratio) = found["bare"], found["equal"]
        least = f"{found['fused'][1]:14.2f}" if binary_only else f"{'-':>14}"
        print(f"{name:<14} {bare:8.2f} {ours:8.2f} {ratio:6.2f} {case.bound:6.2f} {least}", flush=True)


if __name__ == "__main__":
    main()
