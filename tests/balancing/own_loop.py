"""What a loop of the user's own may do around ``balancer.backward``, each a check of one method.

``python tests/balancing/own_loop.py docs/methods/compatibility.md`` writes the table of what works.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from torch.nn.utils import clip_grad_norm_

from balancing.cases import TASKS, Net, batch, gradients, make, step
from polytask.balancing import BALANCERS, GradientBalancer

#: (check, method): why it does not work.
GAPS: dict[tuple[str, str], str] = {}


def accumulation(name: str) -> None:
    """The mean of the losses of two micro-batches, with both features, is the loss of the whole batch."""
    whole, parts, x, y = Net(), Net(), *batch()
    step(whole, make(name), (x, y))
    halves = [parts.losses(x[rows], y[rows]) for rows in (slice(0, 8), slice(8, 16))]
    losses = {task: (halves[0][1][task] + halves[1][1][task]) / 2 for task in TASKS}
    make(name).backward(losses, shared=parts.trunk.parameters(), features=[features for features, _ in halves])
    torch.testing.assert_close(gradients(parts), gradients(whole), rtol=2e-3, atol=1e-5)


def clipping(name: str) -> None:
    """Gradients are in ``.grad`` after ``backward``, whole, so that clipping sees them all."""
    net = Net()
    step(net, make(name), batch())
    direction = torch.nn.functional.normalize(gradients(net), dim=0)
    clip_grad_norm_(net.parameters(), 1e-3)
    torch.testing.assert_close(gradients(net), direction * 1e-3, rtol=1e-2, atol=1e-8)


def bf16(name: str) -> None:
    """Under autocast to bfloat16 the gradients are those of float32, up to its three digits."""
    _mixed(name, torch.bfloat16, 0.1)


def fp16(name: str) -> None:
    """Under autocast to float16 a gradient scaler of 2^16 changes nothing after unscaling."""
    net = _mixed(name, torch.float16, 0.02)
    # A loss that is not finite: the scaler skips the step, and what the method remembers stays finite.
    optimizer, scaler, balancer = torch.optim.SGD(net.parameters(), lr=0.1), torch.amp.GradScaler("cpu"), make(name)
    balancer.bind(TASKS)
    finite = {key: torch.isfinite(value) for key, value in balancer.state_dict().items()}
    before = [parameter.clone() for parameter in net.parameters()]
    net.zero_grad()
    features, losses = net.losses(*batch())
    losses["a"] = losses["a"] * torch.inf
    balancer.backward(
        losses, shared=net.trunk.parameters(), features=features, backward=lambda total: scaler.scale(total).backward()
    )
    scaler.step(optimizer)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    for key, value in balancer.state_dict().items():
        assert value.shape != finite[key].shape or (torch.isfinite(value) | ~finite[key]).all(), key


def _mixed(name: str, dtype: torch.dtype, tolerance: float) -> Net:
    plain, mixed = Net(), Net()
    step(plain, make(name), batch())
    with torch.autocast("cpu", dtype):
        features, losses = mixed.losses(*batch())
    assert features.dtype == dtype
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16, enabled=dtype == torch.float16)
    make(name).backward(
        losses,
        shared=mixed.trunk.parameters(),
        features=features,
        backward=lambda total: scaler.scale(total).backward(),
    )
    scaler.unscale_(torch.optim.SGD(mixed.parameters(), lr=0.1))
    expected = gradients(plain)
    assert (gradients(mixed) - expected).norm() < tolerance * expected.norm()
    return mixed


def compile(name: str) -> None:
    """A compiled encoder gives the gradients of the plain one."""
    compiled(name, "aot_eager")


def compiled(name: str, backend: str) -> None:
    """The same with any backend of ``torch.compile``."""
    net, parameters = _compiled(backend)
    plain = Net()
    step(plain, make(name), batch())
    net.zero_grad()
    with torch._functorch.config.patch(donated_buffer=False):
        features, losses = net.losses(*batch())
        make(name).backward(losses, shared=parameters, features=features)
    torch.testing.assert_close(gradients(net), gradients(plain), rtol=1e-3, atol=1e-5)


@cache
def _compiled(backend: str) -> tuple[Net, list[torch.nn.Parameter]]:
    """A network whose encoder is compiled, once for all methods, and its parameters."""
    torch._dynamo.reset()
    net = Net()
    parameters = list(net.trunk.parameters())
    net.trunk = torch.compile(net.trunk, backend=backend)  # type: ignore[assignment]
    return net, parameters


CHECKS: dict[str, Callable[[str], None]] = {
    check.__name__: check for check in (accumulation, clipping, bf16, fp16, compile)
}
#: Checked for every method in test_examination.py, test_precision.py and test_switched.py.
EXAMINED = {
    "DDP": "test_two_processes_equal_one",
    "resume": "resumes_bit_for_bit",
    "autocast": "test_inside_autocast_as_outside",
    "parameters": "test_parameters_of_any_type",
    "soft labels": "test_the_size_of_a_soft_loss_means_nothing",
}


def table() -> str:
    """What works, Markdown."""
    names = [*CHECKS, *EXAMINED]
    columns = [*names, "losses"]
    lines = ["# What works together", "", f"| method | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    notes: list[str] = []
    for method in BALANCERS:
        cells = []
        for name in names:
            reason = GAPS.get((name, method))
            if reason and reason not in notes:
                notes.append(reason)
            cells.append(f"no ({notes.index(reason) + 1})" if reason else "yes")
        cells.append({"any": "any", "positive": "0 or more"}[make(method).needs.losses])
        lines.append(f"| {method} | {' | '.join(cells)} |")
    lines += ["", *[f"{number}. {note}" for number, note in enumerate(notes, 1)], *([""] if notes else [])]
    lines += [
        "Every cell is a test (`tests/balancing`) with the methods' defaults:",
        "",
        "- **accumulation**: one call with the mean of the micro-batches' losses and all their features;",
        "- **fp16**: with a `GradScaler`;",
        "- **compile**: of the encoder, not of the heads (eager backend for all, inductor for some), with",
        "  `torch._functorch.config.donated_buffer = False`; methods with exact per-task gradients need it and",
        "  raise an error without it;",
        "- **DDP**: two processes, gradients averaged by hand or by `DistributedDataParallel`;",
        "- **autocast**: `backward` called inside it gives the same numbers as outside;",
        "- **parameters**: of type float64, bfloat16 and float16, too;",
        "- **soft labels**: a converged task (`task_switched`) leaves the method's statistics and gets the mean weight",
        "  of the tasks that learn (static: keeps its weight), so the size of its loss does not affect the others;",
        "- **losses**: a method that takes logarithms of losses or divides by them refuses losses below 0 (famo: below",
        "  its `lower_bound`); a constant added to the loss avoids this.",
        "",
        "Refused when a balancer is made, with the reason:",
        "",
        *[f"- `{options}`: {reason}" for options, reason in REFUSED],
        "",
    ]
    return "\n".join(lines)


REFUSED = [
    ("db_mtl, gradients: representation", "the running mean of gradients needs rows that mean the same in every step"),
    ("db_mtl, every: 2", "the running mean needs a gradient from every step; with `beta: 0` both are possible"),
    ("gradnorm, gradients: gramian", "needs norms, which the other sources give more cheaply"),
    ("upgrad, gradients: gramian, every: 2", "hooks see every forward pass and are read in every step"),
    ("cr_mogm, method: graddrop", "only methods that find weights and do nothing else can be smoothed"),
    ("graddrop, gradients: gramian", "works coordinate by coordinate, which a Gramian does not have"),
]
GRADIENT_METHODS = [name for name, method in BALANCERS.items() if issubclass(method, GradientBalancer)]

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(table(), encoding="utf-8")
