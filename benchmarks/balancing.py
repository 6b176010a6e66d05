"""Balancing methods on real tables: those of the library, and newer ones: do they earn a place?

    python benchmarks/balancing.py run --data DATA --out balancing.jsonl [--sets rf1 wq] [--seeds 5]
    python benchmarks/balancing.py report --out balancing.jsonl

DATA (or POLYTASK_DATA) as for ``grouping.py``, with its sets, networks and steps. Every method tries the same three
learning rates on two seeds, chosen by mean skill on validation; other seeds are reported, test skill, 0 for a constant.
Methods of the library have their default options.

``static``, fixed weights, has equal weights and seven draws to choose from (1/4 to 4, with the mean 1) in place of
learning rates, of which it takes the one that is best for equal weights: 16 trainings, the others six.

- ``coba``: Z. Gong et al., "CoBa: Convergence Balancer for Multitask Finetuning of Large Language Models", EMNLP 2024,
  arXiv:2410.06741; slopes of the validation loss of a batch per step.
- ``go4align``: J. Shen et al., "GO4Align: Group Optimization for Multi-Task Alignment", NeurIPS 2024, arXiv:2404.06486;
  half as many groups as tasks.
- ``ldc``: P. Xiao et al., "LDC-MTL: Balancing Multi-Task Learning through Scalable Loss Discrepancy Control", 2025,
  arXiv:2502.08585; weights are free parameters instead of the output of a router.
- ``auto_lambda``: S. Liu et al., "Auto-Lambda: Disentangling Dynamic Task Relationships", TMLR 2022, arXiv:2202.03091;
  all tasks are primary, or one: ``main_auto_lambda`` beside ``main_equal`` and ``main_alone``, the skill of this task,
  mean over two tasks of a set, one after the other.
- ``selective``: W. Jeong, K.-J. Yoon, "Selective Task Group Updates for Multi-Task Optimization", ICLR 2025,
  arXiv:2502.11986; a task joins a group if an update on either has lately lowered the loss of the other.
- ``merged``: single-task models from common first weights, whose encoders' changes are added with the best of some
  factors on validation (G. Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023, arXiv:2212.04089).
"""

from __future__ import annotations

import argparse
import copy
import json
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

import polytask as pt
from grouping_study.cells import HIDDEN
from grouping_study.sets import SETS, SMALL, Data
from polytask.balancing import BALANCERS, Balancer, Equal, Static, TaskLosses
from polytask.balancing.adam import adam_step
from polytask.comparison.statistics.paired import sign_flip_p
from polytask.data import Batch
from polytask.task import Task
from polytask.training.evaluation import evaluate, task_outputs, task_targets, trivial_levels
from polytask.training.loop import Training
from sets_and_seeds import interval, read_lines, table

TABLES = {**SETS, "andro": SMALL["andro"]}
RATES, TUNING = (0.001, 0.003, 0.01), 2
#: Fixed weights that are tried; the first are equal.
DRAWS, FARTHEST = 8, 4.0
FACTORS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)


class CoBa(Balancer):
    """Weights from slopes of validation losses, relative to their first values; tasks that diverge are slowed down."""

    name = "coba"

    def __init__(self, warmup: int = 20, history: int = 60, tau: float = 5.0) -> None:
        super().__init__()
        self.warmup, self.history, self.tau = warmup, history, tau
        self.seen: list[Tensor] = []
        self.slopes: list[Tensor] = []
        self.total_slopes: list[Tensor] = []

    def see(self, losses: Tensor) -> None:
        """Validation losses of a step, [K]."""
        self.seen.append(losses / self.seen[0] if self.seen else losses)

    def weights(self, losses: TaskLosses) -> Tensor:
        tasks = len(losses.means)
        ratios = torch.stack(self.seen[1:][-self.history :]) if len(self.seen) > 1 else torch.ones(0, tasks)
        if len(ratios) < max(2, self.warmup):
            return torch.ones(tasks)
        steps = torch.arange(len(ratios), dtype=ratios.dtype)
        centred = (steps - steps.mean()) / ((steps - steps.mean()) ** 2).sum()
        self.slopes.append(centred @ ratios)
        self.total_slopes.append(centred @ ratios.amax(1))
        own = torch.stack(self.slopes[-self.history :])
        relative = torch.softmax(tasks * own[-1] / own[-1].abs().sum(), 0)
        absolute = torch.softmax(-len(own) * own[-1] / own.abs().sum(0), 0)
        every = torch.stack(self.total_slopes)
        divergence = len(every) * torch.softmax(-self.tau * len(every) * every / every.abs().sum(), 0)[-1]
        share = divergence.clamp(max=1.0)
        found = torch.softmax(tasks * (share * relative + (1 - share) * absolute), 0)
        return tasks * (0.9 * found + 0.1 / tasks)


class Watch(pt.Callback):
    """Shows CoBa the losses of a batch of validation rows in every step."""

    def __init__(self, balancer: CoBa, rows: pt.Rows, size: int) -> None:
        self.balancer, self.rows, self.size = balancer, rows, size
        self.random = torch.Generator().manual_seed(0)

    def before_step(self, training: Training, batch: Batch) -> None:
        some = self.rows.subset(torch.randperm(len(self.rows), generator=self.random)[: self.size])
        model = training.model
        last = self.balancer.seen[-1] if self.balancer.seen else torch.ones(len(model.tasks))
        losses = []
        found = task_outputs(model, some, range(len(model.tasks)))
        for position, (task, outputs) in enumerate(zip(model.tasks, found, strict=True)):
            ids, targets = task_targets(some, position)
            loss = binary_cross_entropy_with_logits if task.kind == "binary" else mse_loss
            losses.append(loss(outputs[ids], targets.float()) if len(ids) else last[position])
        self.balancer.see(torch.stack(losses))


class GO4Align(Balancer):
    """Losses of equal size, times probabilities that fall for tasks with large ones; a group has its mean weight."""

    name = "go4align"

    def __init__(self, step: float = 1e-4) -> None:
        super().__init__()
        self.step = step
        self.shares = torch.ones(0)

    def weights(self, losses: TaskLosses) -> Tensor:
        means, tasks = losses.means.clamp_min(1e-6), len(losses.means)
        shares = self.shares if len(self.shares) else torch.full((tasks,), 1 / tasks)
        shares = shares * torch.exp(-self.step * means)
        self.shares = shares / shares.sum()
        found = means.sum() / means * self.shares
        groups = max(1, tasks // 2)
        fitted = KMeans(groups, n_init=1, random_state=0).fit(found[:, None].numpy())
        return torch.from_numpy(fitted.cluster_centers_[fitted.labels_, 0]).to(means.dtype)


class LDC(Balancer):
    """Weights that are learned to make weighted losses alike, beside the weighted loss itself."""

    name = "ldc"

    def __init__(self, discrepancy: float = 0.1, lr: float = 0.01) -> None:
        super().__init__()
        self.discrepancy, self.lr = discrepancy, lr
        self.logits, self.moments, self.ratios = torch.zeros(0), torch.zeros(0), torch.ones(0)

    def weights(self, losses: TaskLosses) -> Tensor:
        means = losses.means.clamp_min(1e-6)
        if not len(self.logits):
            self.logits, self.moments = torch.zeros(len(means)), torch.zeros(3, len(means))
            self.ratios = means / means.min()
        with torch.enable_grad():
            logits = self.logits.clone().requires_grad_()
            scaled = (means / self.ratios).requires_grad_()
            weighted = torch.softmax(logits, 0) * scaled
            total = weighted.sum() + self.discrepancy * weighted.diff().abs().sum()
            gradient, weights = torch.autograd.grad(total, (logits, scaled))
        self.logits, self.moments = adam_step(
            self.logits, gradient, self.moments, self.lr, where=torch.ones(len(means), dtype=torch.bool)
        )
        return len(means) * weights / self.ratios


class Weighted(Balancer):
    """The weights that a callback sets."""

    name = "weighted"

    def __init__(self) -> None:
        super().__init__()
        self.now = torch.ones(0)

    def weights(self, losses: TaskLosses) -> Tensor:
        return self.now if len(self.now) else torch.ones(len(losses.means))


class AutoLambda(pt.Callback):
    """Weights that lower the losses of validation rows after a step, by central differences."""

    LR, FIRST = 1e-2, 0.1

    def __init__(self, balancer: Weighted, rows: pt.Rows, size: int, primary: slice = slice(None)) -> None:
        self.balancer, self.rows, self.size, self.primary = balancer, rows, size, primary
        self.random = torch.Generator().manual_seed(0)
        self.moments = torch.zeros(0)

    def before_step(self, training: Training, batch: Batch) -> None:
        tasks, parameters = len(training.tasks), list(training.model.parameters())
        training.model.eval()  # other units dropped on the two sides would be all of their difference
        if not len(self.balancer.now):
            self.balancer.now, self.moments = torch.full((tasks,), self.FIRST), torch.zeros(3, tasks)
        kept = [parameter.detach().clone() for parameter in parameters]
        rate = training.optimizer.param_groups[0]["lr"]
        _moved(parameters, kept, _gradients((self.balancer.now * _means(training, batch)).sum(), parameters), -rate)
        some = self.rows[torch.randperm(len(self.rows), generator=self.random)[: self.size]]
        ahead = _gradients(_means(training, some)[self.primary].sum(), parameters)
        width = 0.01 / max(1e-12, float(torch.stack([gradient.norm() for gradient in ahead]).norm()))
        sides = []
        for sign in (1, -1):
            _moved(parameters, kept, ahead, sign * width)
            with torch.no_grad():
                sides.append(_means(training, batch))
        _moved(parameters, kept, ahead, 0.0)
        self.balancer.now, self.moments = adam_step(
            self.balancer.now, -rate * (sides[0] - sides[1]) / (2 * width), self.moments, self.LR,
            where=torch.ones(tasks, dtype=torch.bool),
        )  # fmt: skip
        training.model.train()


class Selective(pt.Callback):
    """One update after the other for groups of tasks; the last one is that of the loop."""

    def __init__(self, balancer: Weighted, decay: float = 0.95) -> None:
        self.balancer, self.decay = balancer, decay
        self.random = torch.Generator().manual_seed(0)
        self.affinity = torch.zeros(0, 0)

    def before_step(self, training: Training, batch: Batch) -> None:
        tasks, parameters = len(training.tasks), list(training.model.parameters())
        if not len(self.affinity):
            self.affinity = torch.zeros(tasks, tasks)  # and every task is a group
        *others, last = self._groups()
        for group in others:
            total = _means(training, batch)[group].sum()
            for parameter, gradient in zip(parameters, _gradients(total, parameters), strict=True):
                parameter.grad = gradient
            known = self._levels(training, batch)
            training.optimizer.step()
            gain = 1 - self._levels(training, batch) / known.clamp_min(1e-6)
            self.affinity[group] = self.decay * self.affinity[group] + (1 - self.decay) * gain
        training.optimizer.zero_grad(set_to_none=True)
        self.balancer.now = torch.zeros(tasks).index_fill(0, torch.tensor(last), 1.0)

    def _levels(self, training: Training, batch: Batch) -> Tensor:
        """Losses without dropout, which can be compared before and after an update."""
        training.model.eval()
        with torch.no_grad():
            found = _means(training, batch)
        training.model.train()
        return found

    def _groups(self) -> list[list[int]]:
        both = torch.minimum(self.affinity, self.affinity.T)
        groups: list[list[int]] = []
        for task in torch.randperm(len(both), generator=self.random).tolist():
            home = next((group for group in groups if (both[task, group] > 0).all()), None)
            if home is None:
                groups.append([task])
            else:
                home.append(task)
        return groups


def _means(training: Training, batch: Batch) -> Tensor:
    """``[K]`` mean losses of a batch, with their graph."""
    features, _ = training.represent(batch.inputs)
    return training.objective(training.model.heads(features), batch).values


def _gradients(total: Tensor, parameters: list[torch.nn.Parameter]) -> list[Tensor]:
    found = torch.autograd.grad(total, parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


@torch.no_grad()
def _moved(parameters: list[torch.nn.Parameter], start: list[Tensor], along: list[Tensor], step: float) -> None:
    for parameter, before, direction in zip(parameters, start, along, strict=True):
        parameter.copy_(before + step * direction)


#: Those of the library; ``pcd`` and ``pbi`` are for tasks of which some matter more.
LIBRARY = [name for name in BALANCERS if name not in ("pcd", "pbi")]
NEWER: dict[str, Callable[[], Balancer]] = {"coba": CoBa, "go4align": GO4Align, "ldc": LDC}
OF_CALLBACKS = ("auto_lambda", "selective")
OF_MAIN = ("main_equal", "main_alone", "main_auto_lambda")
METHODS: dict[str, Callable[[], Balancer]] = {
    **{name: BALANCERS[name] for name in LIBRARY if name != "static"}, **NEWER, **dict.fromkeys(OF_CALLBACKS, Weighted),
}  # fmt: skip


@lru_cache(maxsize=1)
def load(name: str, data: Path, seed: int) -> Data:
    return TABLES[name].load(data, seed)


def run(name: str, method: str, rate: float, draw: int, seed: int, folder: Path) -> dict[str, float]:
    """Mean skill on validation and test."""
    data = load(name, folder, seed)
    torch.manual_seed(seed)
    model = pt.MultiTaskModel(pt.TableEncoder(numeric=data.width, hidden=HIDDEN, dropout=0.1), data.tasks)
    if method == "merged":
        return merged(name, model, data, rate, seed)
    if method in OF_MAIN:
        return of_main(name, method, model, data, rate, draw, seed)
    balancer = fixed(data, draw) if method == "static" else METHODS[method]()
    callbacks: list[pt.Callback] = []
    if isinstance(balancer, CoBa):
        callbacks = [Watch(balancer, data.rows["validation"], 128)]
    elif isinstance(balancer, Weighted):
        own = AutoLambda(balancer, data.rows["validation"], 128) if method == "auto_lambda" else Selective(balancer)
        callbacks = [own]
    found = fitted(name, model, data, rate, seed, balancer, callbacks)
    return {part: skill(found, data.rows[part]) for part in ("validation", "test")}


def of_main(
    name: str, method: str, model: pt.MultiTaskModel, data: Data, rate: float, main: int, seed: int
) -> dict[str, float]:
    """Skill of one task on validation and test."""
    task = data.tasks[main]
    if method == "main_alone":
        rows = {part: _of(part_rows, main) for part, part_rows in data.rows.items()}
        data = Data((task,), rows, data.width)
        found = fitted(name, pt.MultiTaskModel(model.encoder, [task]), data, rate, seed)
    elif method == "main_equal":
        found = fitted(name, model, data, rate, seed)
    else:
        balancer = Weighted()
        primary = AutoLambda(balancer, _of(data.rows["validation"], main, all_tasks=True), 128, slice(main, main + 1))
        found = fitted(name, model, data, rate, seed, balancer, [primary])
    return {part: skill(found, data.rows[part], [task]) for part in ("validation", "test")}


def fixed(data: Data, draw: int) -> Balancer:
    """Equal weights, or a draw of others."""
    weights = np.random.default_rng(draw).uniform(-1, 1, len(data.tasks)) * np.log(FARTHEST) * (draw > 0)
    weights = np.exp(weights) / np.exp(weights).mean()
    return Static({task.name: float(weight) for task, weight in zip(data.tasks, weights, strict=True)})


def fitted(
    name: str,
    model: pt.MultiTaskModel,
    data: Data,
    rate: float,
    seed: int,
    balancer: Balancer | None = None,
    callbacks: list[pt.Callback] | None = None,
) -> pt.MultiTaskModel:
    settings = TABLES[name].settings().model_copy(update={"learning_rate": rate})
    rows = {part: data.rows[part] for part in ("train", "validation")}
    return pt.fit(
        model, **rows, balancer=balancer or Equal(), callbacks=callbacks or [], settings=settings, seed=seed
    ).model


def skill(model: pt.MultiTaskModel, rows: pt.Rows, of: Sequence[Task] = ()) -> float:
    levels, values = trivial_levels(model.tasks, rows), evaluate(model, rows)
    return fmean(
        max(-1.0, task.metric_definition.skill(values[task.name], levels[task.name])) for task in of or model.tasks
    )


def merged(name: str, model: pt.MultiTaskModel, data: Data, rate: float, seed: int) -> dict[str, float]:
    """Encoders of single-task models added, each task with the head of its own model."""
    first = copy.deepcopy(model.encoder.state_dict())
    changes = {key: torch.zeros_like(value) for key, value in first.items()}
    heads = []
    for position, task in enumerate(data.tasks):
        rows = {part: _of(rows, position) for part, rows in data.rows.items()}
        single = pt.MultiTaskModel(copy.deepcopy(model.encoder), [task])
        single = fitted(name, single, Data((task,), rows, data.width), rate, seed)
        for key, value in single.encoder.state_dict().items():
            changes[key] = changes[key] + (value - first[key])
        heads.append(single)
    scores = {}
    for factor in FACTORS:
        added = {key: value + (factor * changes[key]).to(value.dtype) for key, value in first.items()}
        for single in heads:
            single.encoder.load_state_dict(added)
        scores[factor] = {
            part: fmean(skill(single, _of(data.rows[part], place)) for place, single in enumerate(heads))
            for part in ("validation", "test")
        }
    return max(scores.values(), key=lambda found: found["validation"])


def _of(rows: pt.Rows, position: int, *, all_tasks: bool = False) -> pt.Rows:
    """The rows with a label of one task, with this label or all."""
    own = rows if all_tasks else rows.only_tasks([position])
    return own if rows.observed is None else own.subset(rows.observed[:, position].nonzero()[:, 0])


def train(names: list[str], methods: list[str], seeds: int, folder: Path, out: Path) -> None:
    """All missing lines: the settings on the tuning seeds, then the chosen one on the others."""
    found = {(line["set"], line["method"], line["rate"], line.get("draw", 0), line["seed"]): line
             for line in read_lines(out)}  # fmt: skip

    def get(name: str, method: str, setting: tuple[float, int], seed: int) -> float:
        key = name, method, *setting, seed
        if key not in found:
            line = {"set": name, "method": method, "rate": setting[0], "draw": setting[1], "seed": seed}
            line |= run(*key, folder)
            found[key] = line
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        return float(found[key]["validation"])

    def best(name: str, method: str, main: int = 0) -> tuple[float, int]:
        settings = [(rate, main) for rate in RATES]
        if method == "static":
            settings = [(best(name, "equal")[0], draw) for draw in range(DRAWS)]
        return max(settings, key=lambda one: fmean(get(name, method, one, seed) for seed in range(TUNING)))

    for name in names:
        for method in methods:
            for main in mains(name, folder) if method in OF_MAIN else (0,):
                setting = best(name, method, main)
                for seed in range(TUNING, TUNING + seeds):
                    get(name, method, setting, seed)
        print(f"{name}: done", flush=True)


def mains(name: str, folder: Path) -> tuple[int, int]:
    """The tasks that are primary, one after the other."""
    count = len(load(name, folder, 0).tasks)
    return count // 4, 3 * count // 4


def report(out: Path) -> None:
    """Differences to equal weights."""
    tests: dict[tuple[str, int], dict[str, list[float]]] = {}
    for line in read_lines(out):
        if line["seed"] >= TUNING:
            tests.setdefault((line["set"], line["seed"]), {}).setdefault(line["method"], []).append(line["test"])
    found = {key: {method: fmean(own) for method, own in skills.items()} for key, skills in tests.items()}
    over_sets(found)
    for first, *others in (
        ["equal", "uw", "scale_invariant", *NEWER], ["equal", "merged"], ["equal", *OF_CALLBACKS], OF_MAIN,
    ):  # fmt: skip
        lines = [{"set": name, "seed": seed, "skill": skills} for (name, seed), skills in found.items()
                 if {first, *others} <= skills.keys()]  # fmt: skip
        if lines:
            table(
                first, [(line, line) for line in lines], {f"{method} - {first}": (method, first) for method in others}
            )
            print()


def over_sets(found: dict[tuple[str, int], dict[str, float]]) -> None:
    """Every method of the library that is complete, less equal weights, the best first."""
    sets = list(dict.fromkeys(name for name, _ in found))
    print(f"| method | mean of {len(sets)} sets | p | {' | '.join(sets)} |\n|---|---:|---:|" + "---:|" * len(sets))
    rows = []
    for method in LIBRARY:
        if method == "equal" or any(method not in skills for skills in found.values()):
            continue
        gains = [[skills[method] - skills["equal"] for (name, _), skills in found.items() if name == one]
                 for one in sets]  # fmt: skip
        means = [fmean(one) for one in gains]
        cells = " | ".join(interval(one, 3) for one in gains)
        rows.append((fmean(means), f"| {method} | {interval(means)} | {sign_flip_p(np.array(means)):.3f} | {cells} |"))
    print("\n".join(row for _, row in sorted(rows, reverse=True)) + "\n")


def main() -> None:
    every = [*METHODS, "static", "merged", *OF_MAIN]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "report"])
    parser.add_argument("--data", type=Path, default=os.environ.get("POLYTASK_DATA"), help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="file of the lines")
    parser.add_argument("--sets", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--methods", nargs="+", choices=every, default=every)
    parser.add_argument("--seeds", type=int, default=5, help="how many are reported")
    arguments = parser.parse_args()
    if arguments.action == "report":
        report(arguments.out)
    elif arguments.data is None:
        parser.error("--data: say where the data are, or set POLYTASK_DATA")
    else:
        train(arguments.sets, arguments.methods, arguments.seeds, Path(arguments.data), arguments.out)


if __name__ == "__main__":
    main()
