"""What weight a converged task should have, whose loss is that of soft labels: three rules, several methods, seeds.

Three tasks of a table, of which one starts late. Two switch to soft labels at fixed steps; the third learns on. Rules:
``stays``: in the method as if nothing had happened (but for its past); ``one``: out of the method, with the weight 1;
``mean``: out of the method, with the mean weight of the tasks that learn.

    python benchmarks/converged_balancing.py --seeds 3
"""

from __future__ import annotations

import argparse
import statistics

import torch
from torch import nn

import polytask as pt
from polytask.balancing import BALANCERS, Balancer

METHODS = ("uw", "scale_invariant", "famo", "gradnorm", "dwa", "mgda", "nash_mtl", "upgrad", "pcgrad")
RULES = ("stays", "one", "mean")
SWITCHES = {"easy": 300, "mid": 400}


def rows(seed: int) -> tuple[pt.Rows, pt.Rows, list[pt.Task]]:
    """2400 rows of noise, with a linear, a mixed and a triple-product target; a quarter for validation."""
    x = torch.randn(2400, 12, generator=torch.Generator().manual_seed(seed))
    noise = 2 * torch.randn(2400, generator=torch.Generator().manual_seed(seed + 1000))
    mid = 2 * x[:, 2] - x[:, 3] * x[:, 4]
    targets = torch.stack(
        [(x[:, 0] + x[:, 1] + noise > 0).float(), mid / mid.std(), (x[:, 5] * x[:, 6] * x[:, 7] > 0).float()], 1
    )
    parts = [pt.Rows(x[part], targets[part], None) for part in (slice(0, 1800), slice(1800, 2400))]
    return parts[0], parts[1], [pt.Task("easy"), pt.Task("mid", kind="regression"), pt.Task("slow")]


def ruled(name: str, rule: str) -> Balancer:
    """A method with a rule for converged tasks."""
    balancer = BALANCERS[name]()
    if rule == "stays":
        balancer.adapts = False  # type: ignore[misc]
    if rule == "one":
        balancer._take_soft_weight = lambda: None  # type: ignore[method-assign]
    return balancer


def train(name: str, rule: str, seed: int, steps: int) -> dict[str, float]:
    """Last validation metrics, and the share of the late task in the weights (1 is equal)."""
    training, validation, tasks = rows(seed)
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(12, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
    switch = pt.AsynchronousConvergence(test="fixed", fixed_step=SWITCHES | {"slow": 10**6}, min_evaluations=0)
    result = pt.fit(
        pt.MultiTaskModel(net, tasks, features=64), train=training, validation=validation, balancer=ruled(name, rule),
        callbacks=[switch], seed=seed,
        settings=pt.TrainingSettings(steps=steps, batch_size=64, evaluate_every=40, ema=0.98, patience=10**6),
    )  # fmt: skip
    last = result.history[-1]
    weights = list(last.weights.values())
    return last.validation | {"share": 3 * last.weights["slow"] / sum(weights)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    options = parser.parse_args()
    print("| method | rule | easy (AUC) | mid (R2) | slow (AUC) | share of slow |\n|---|---|---:|---:|---:|---:|")
    for name in options.methods:
        for rule in RULES:
            found = [train(name, rule, seed, options.steps) for seed in range(options.seeds)]
            cells = [f"{statistics.mean(run[key] for run in found):.3f}" for key in ("easy", "mid", "slow", "share")]
            print(f"| {name} | {rule} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
