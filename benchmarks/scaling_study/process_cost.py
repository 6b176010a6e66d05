"""What several processes cost a step: time against plain DDP of the same network, and bytes sent."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

import polytask as pt
from polytask.balancing import BALANCERS, GradientBalancer
from polytask.balancing.methods.gradnorm import WORK
from polytask.processes.collectives import wait_for_all
from polytask.training import Training

WIDTHS, TASKS, BATCH, STEPS = (256, 512, 512, 256), 9, 256, 4
PLAIN = "plain DDP"
Step = Callable[[], None]


@dataclass
class Cost:
    """Of one method, on one process of several.

    Attributes:
        milliseconds: Of a step, one per round.
        bytes: That a step hands to collective operations.
        calls: How often it does.
    """

    milliseconds: list[float] = field(default_factory=list)
    bytes: int = 0
    calls: int = 0


@contextmanager
def counted(cost: Cost) -> Iterator[None]:
    """Count what is handed to ``torch.distributed``, at the functions that the library reduces with."""
    names = ("all_reduce", "broadcast", "all_gather")
    originals = {name: getattr(distributed, name) for name in names}

    def counting(name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            tensor: Tensor = given[1] if name == "all_gather" else given[0]
            cost.bytes += tensor.numel() * tensor.element_size()
            cost.calls += 1
            return originals[name](*given, **named)

        return call

    try:
        for name in names:
            setattr(distributed, name, counting(name))
        yield
    finally:
        for name, original in originals.items():
            setattr(distributed, name, original)


def encoder() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [part for a, b in itertools.pairwise(WIDTHS) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers)


def rows() -> pt.Rows:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(8 * BATCH, WIDTHS[0], generator=generator)
    return pt.Rows(inputs, (torch.rand(len(inputs), TASKS, generator=generator) < 0.5).float(), None)


def plain_loop() -> Step:
    """What one writes by hand: one wide head, one loss, fused Adam, and DDP around it."""
    network: nn.Module = nn.Sequential(encoder(), nn.Linear(WIDTHS[-1], TASKS))
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    size, rank = distributed.get_world_size(), distributed.get_rank()
    if size > 1:
        network = DistributedDataParallel(network)
    data = rows()
    own = itertools.cycle([batch.chunk(size)[rank] for batch in torch.arange(len(data)).split(BATCH)])

    def step() -> None:
        ids = next(own)
        outputs = network(data.inputs[ids])
        losses = nn.functional.binary_cross_entropy_with_logits(outputs, data.targets[ids], reduction="none")
        losses.mean(0).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def our_loop(spec: str) -> Step:
    """A step of the library's loop with a balancer, ``name`` or ``name@representation``."""
    name, _, source = spec.partition("@")
    balancer, data = make(name, source), rows()
    model = pt.MultiTaskModel(encoder(), [pt.Task(f"t{i}") for i in range(TASKS)])
    settings = pt.TrainingSettings(steps=10**9, batch_size=BATCH, evaluate_every=10**9, device="cpu", threads=1)
    return Training(model, data, data, balancer=balancer, callbacks=[], settings=settings, seed=0).advance


def modelled_bytes(spec: str) -> int:
    """What docs/scaling.md says that a step hands to collective operations."""
    shared = list(encoder().parameters())
    numbers, tensors = sum(p.numel() for p in shared), len(shared) + 2
    sent = 2 * TASKS + tensors + numbers + TASKS * (WIDTHS[-1] + 1)  # losses and counts; flags; gradients
    name, _, source = spec.partition("@")
    needs = make(name, source).needs
    if needs.gradients == "exact":
        sent += TASKS * numbers
    elif needs.gradients == "representation":
        sent += 2 if name == "graddrop" else TASKS**2  # graddrop asks for the size of the batch, in eight bytes
    elif needs.gradients == "last_layer":
        sent += 1 + WIDTHS[-2] + TASKS * WIDTHS[-1] * max(4, min(16, WORK // TASKS))
    return 4 * (sent + (2 * TASKS if needs.second_forward else 0))


def make(name: str, source: str = "") -> Any:
    """A balancer."""
    options: dict[str, Any] = {"values": {}} if name == "static" else {}
    return BALANCERS[name](**options, **({"gradients": source} if source else {}))


def specs(words: Sequence[str]) -> list[str]:
    """Methods by name; ``all``: every one, those with gradients also at the representation."""
    if list(words) != ["all"]:
        return list(words)
    sources = {name: m.sources for name, m in BALANCERS.items() if issubclass(m, GradientBalancer) and name != "db_mtl"}
    return [*BALANCERS, *(f"{name}@representation" for name, known in sources.items() if "representation" in known[1:])]


def _measure(number: int, processes: int, folder: str, methods: Sequence[str], rounds: int) -> None:
    """In one of several processes: all methods in turns."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=processes)
    found, loops = {name: Cost() for name in (PLAIN, *methods)}, {}
    for name, cost in found.items():
        loops[name] = plain_loop() if name == PLAIN else our_loop(name)
        loops[name]()
        with counted(cost):
            loops[name]()
    for turn in range(rounds):
        for name in list(found) if turn % 2 else list(found)[::-1]:
            wait_for_all()
            began = time.perf_counter()
            for _ in range(STEPS):
                loops[name]()
            wait_for_all()
            found[name].milliseconds.append(1000 * (time.perf_counter() - began) / STEPS)
    if number == 0:
        parameters = sum(p.numel() for p in encoder().parameters()) + TASKS * (WIDTHS[-1] + 1)
        if processes > 1:  # DDP reduces in C++, every gradient once
            found[PLAIN].bytes, found[PLAIN].calls = 4 * parameters, 1
        (Path(folder) / "found.json").write_text(json.dumps({name: asdict(cost) for name, cost in found.items()}))
    distributed.destroy_process_group()


def process_costs(processes: int, methods: Sequence[str], rounds: int) -> dict[str, Cost]:
    """Costs of plain DDP and of methods, measured in the first of several processes."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_measure, (processes, folder, methods, rounds), nprocs=processes)
        return {name: Cost(**cost) for name, cost in json.loads((Path(folder) / "found.json").read_text()).items()}


def report(sizes: Sequence[int], words: Sequence[str], rounds: int) -> str:
    """Markdown: for every number of processes the time of a step against plain DDP, and what it sends."""
    methods = specs(words)
    found = {size: process_costs(size, methods, rounds) for size in sizes}
    most = max(sizes)
    head = " | ".join(f"{size} process{'es' if size > 1 else ''}" for size in sizes)
    lines = [f"| method | {head} | MB sent | by the model | reductions |"]
    lines += ["|---" + "|---:" * (len(sizes) + 3) + "|"]
    for name in (PLAIN, *methods):
        shown = []
        for size in sizes:
            plain = found[size][PLAIN].milliseconds
            own = found[size][name].milliseconds
            ratio = statistics.median(a / b for a, b in zip(own, plain, strict=True))
            shown.append(f"{statistics.median(own):.1f} ms" if name == PLAIN else f"{ratio:.2f}")
        cost = found[most][name]
        model = f"{modelled_bytes(name) / 1e6:.3f}" if name != PLAIN else ""
        numbers = f"{cost.bytes / 1e6:.3f} | {model} | {cost.calls}"
        lines.append(f"| {name} | {' | '.join(shown)} | {numbers} |")
    return "\n".join(lines)


def checkpoint_cost(widths: Sequence[int], times: int = 7) -> str:
    """How long training waits for a checkpoint, its share at one a minute, and when it is on the disk.

    Meanwhile training goes on. Then all processor time that the checkpoint takes, in both threads; and how long
    training waits for the parameters of a best evaluation.
    """
    head = "| million parameters | checkpoint, MB | waits, s | share at one a minute | on the disk after, s | CPU, s "
    lines = [head + "| best evaluation: waits, s |", "|---:" * 7 + "|"]
    for width in widths:
        layers = [part for _ in range(4) for part in (nn.Linear(width, width), nn.ReLU())]
        model = pt.MultiTaskModel(nn.Sequential(*layers), [pt.Task(f"t{i}") for i in range(TASKS)])
        generator = torch.Generator().manual_seed(0)
        data = pt.Rows(torch.randn(64, width, generator=generator), torch.zeros(64, TASKS), None)
        with tempfile.TemporaryDirectory() as folder:
            settings = pt.TrainingSettings(steps=10**9, batch_size=32, device="cpu", threads=1)
            training = Training(model, data, data, balancer=pt.balancing.Equal(), callbacks=[], settings=settings,
                                seed=0, folder=Path(folder))  # fmt: skip
            seconds = []
            for _ in range(times):
                training.advance()
                began = time.perf_counter()
                training.keep_snapshot()
                kept = time.perf_counter() - began
                training.returned.step = training.step
                training.snapshots.wait()
                began, work = time.perf_counter(), time.process_time()
                training.checkpoints.save(training)
                waited = time.perf_counter() - began
                training.checkpoints.wait()
                seconds.append((waited, time.perf_counter() - began, time.process_time() - work, kept))
            size = max(path.stat().st_size for path in Path(folder).glob("checkpoint-*"))
        parameters = sum(p.numel() for p in model.parameters())
        waited, written, work, kept = (statistics.median(column) for column in zip(*seconds, strict=True))
        numbers = f"{parameters / 1e6:.1f} | {size / 1e6:.0f} | {waited:.3f} | {waited / 60:.2%}"
        lines.append(f"| {numbers} | {written:.2f} | {work:.2f} | {kept:.3f} |")
    return "\n".join(lines)
