"""Everything that takes a step, from the registries of the project, for the test that several processes are one.

What is added to a registry is tested without a word here, or its absence from a table below is an error. A module of
its own, so that a spawned process can import it by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, distributed, nn

from balancing.cases import make_for_any
from polytask import (
    MTLKD,
    AsynchronousConvergence,
    Callback,
    CooperativeDistillation,
    MultiTaskModel,
    OnlineDistillation,
    SequentialConvergence,
    Teacher,
    fit,
)
from polytask.balancing import BALANCERS, Balancer, GradientBalancer
from polytask.config.learning import Converge
from polytask.grouping.affinity import ESTIMATORS
from polytask.models import SHARING
from polytask.processes.collectives import world_size
from polytask.training.callbacks import AffinityProbe
from polytask.training.distillations import DISTILLATIONS
from small_training import INPUTS, TASKS, make_rows, small_settings

#: Half of the labels are missing: in a batch of seven, of which two processes have four and three rows, they have other
#: tasks than each other, and tasks are absent.
ROWS, VALIDATION = make_rows(missing=0.5), make_rows(600, seed=1)
STEPS, BATCH = 6, 7
#: Parts in which a batch is accumulated, by the word in the name of a case.
ACCUMULATION = {"": 1, " accumulated": 2}


def teachers() -> dict[str, Teacher]:
    """Made without a training, which would be one of several processes."""
    torch.manual_seed(3)
    known = {"level": 0.7}
    return {
        task.name: Teacher.from_module(nn.Linear(INPUTS, 4 + place % 2), ROWS, **known)
        for place, task in enumerate(TASKS)
    }


def joint() -> Callback:
    """Soft labels of two teachers, in two switches at fixed steps."""
    steps = {"spam": 2, "price": 4, "topic": 2}
    return AsynchronousConvergence(test="fixed", fixed_step=steps, min_evaluations=0, teachers=2)


CONVERGENCE: dict[str, Callable[[], Callback]] = {
    "joint": joint,
    "sequential": lambda: SequentialConvergence(patience=100, max_stage_steps=2),
    "off": Callback,
}
OF_FEATURES: dict[str, Any] = {"warmup_epochs": 0.2, "adaptor_lr": 0.01, "beta": 1.0, "kappa": 0.0, "every": 1}
DISTILLATION: dict[str, dict[str, Callable[[], Callback]]] = {
    "off": {"": Callback},
    "mtlkd": {
        "": lambda: MTLKD(teachers(), adaptor_lr=0.01),
        ", labelled rows": lambda: MTLKD(teachers(), adaptor_lr=0.01, unlabelled=False),
    },
    "okd": {"": lambda: OnlineDistillation(warmup_epochs=0.2)},
    "scd": {"": lambda: CooperativeDistillation(teachers(), **OF_FEATURES)},
}
#: Options without which a method does not take gradients at the representation.
AT_REPRESENTATION = {"db_mtl": {"beta": 0.0}}
#: In a network without a nonlinearity Jacobians are the same for all samples, whichever rows a process has.
LINEAR = {"factored": {"refresh": 1}}


#: Several processes are refused for it: one trains the candidates.
ALONE = {"best"}


def unknown() -> set[str]:
    """What a registry has and the tables here have not."""
    tables = ((get_args(get_args(Converge)[0]), CONVERGENCE), (DISTILLATIONS, DISTILLATION))
    return {name for registry, table in tables for name in (set(registry) - ALONE) ^ set(table)}


class Last(Callback):
    """Parameters at the last evaluation, whichever are returned."""

    name = "last"

    def after_evaluation(self, training: Any, evaluation: Any) -> None:
        self.weights = {name: value.clone() for name, value in training.model.state_dict().items()}


def train(
    balancer: Callable[[], Balancer] = lambda: make_for_any("dwa"),
    callback: Callable[[], Callback] = Callback,
    *,
    sharing: str = "hard",
    linear: bool = False,
    accumulate: int = 1,
    sharded: bool = False,
    **options: Any,
) -> dict[str, Tensor]:
    """What a training ends with that depends on every row and on every weight.

    Args:
        sharded: Of several processes each has a share of the encoder.
    """
    torch.manual_seed(5)
    bend = nn.Identity if linear else nn.Tanh
    encoder = nn.Sequential(nn.Linear(INPUTS, 8), bend(), nn.Linear(8, 6), bend())
    taking_part, last = callback(), Last()
    every = STEPS if type(taking_part) is Callback else 2
    strategy = "fsdp" if sharded and world_size() > 1 else "ddp"
    usual = {"optimizer": "sgd", "batch_size": BATCH, "steps": STEPS, "evaluate_every": every, "weight_decay": 0.01}
    settings = small_settings(
        **usual | {"gradient_clip": 1.0, "accumulate": accumulate, "strategy": strategy} | options
    )
    result = fit(
        MultiTaskModel(encoder, TASKS, sharing=sharing),
        train=ROWS,
        validation=VALIDATION,
        balancer=balancer(),
        callbacks=[taking_part, last],
        settings=settings,
    )
    found = [last.weights, {f"returned {name}": value for name, value in result.model.state_dict().items()}]
    found += [{f"balance {task}": torch.tensor(weight) for task, weight in result.history[-1].weights.items()}]
    found += [{f"converged {k}": torch.tensor(v) for k, v in getattr(taking_part, "converged_at", {}).items()}]
    affinity = result.callbacks.get("affinity", {}).get("statistics", {})
    found += [{name: value for name, value in affinity.items() if isinstance(value, Tensor)}]
    return {name: value for part in found for name, value in part.items()}


def cases() -> Iterator[tuple[str, Callable[..., dict[str, Tensor]]]]:
    """Names, and trainings that take ``accumulate``."""
    for name, method in BALANCERS.items():
        yield f"balance {name}", partial(train, partial(make_for_any, name))
        if issubclass(method, GradientBalancer) and "representation" in method.sources[1:]:
            options = {"gradients": "representation", **AT_REPRESENTATION.get(name, {})}
            yield f"balance {name} at the representation", partial(train, partial(method, **options))
    for name in CONVERGENCE:
        yield f"converge {name}", partial(train, callback=CONVERGENCE[name])
    for name, kinds in DISTILLATION.items():
        for kind, callback in kinds.items():
            yield f"distill {name}{kind}", partial(train, callback=callback)
    for name in ESTIMATORS:
        probe = partial(AffinityProbe, every=2, estimator=name, **LINEAR.get(name, {}))
        yield f"affinity {name}", partial(train, callback=probe, linear=name in LINEAR)
    for name in SHARING:
        yield f"sharing {name}", partial(train, sharing=name)
    yield from sharded_cases()


def sharded_cases() -> Iterator[tuple[str, Callable[..., dict[str, Tensor]]]]:
    """The same where the processes have shares of the encoder, for what needs no gradients per task."""
    for name in BALANCERS:
        if make_for_any(name).needs.gradients == "none":
            yield f"fsdp, balance {name}", partial(train, partial(make_for_any, name), sharded=True)
    for name, callback in CONVERGENCE.items():
        yield f"fsdp, converge {name}", partial(train, callback=callback, sharded=True, ema=0.9, optimizer="adam")
    for name, kinds in DISTILLATION.items():
        if name != "off" and not kinds[""]().whole_parameters:
            yield f"fsdp, distill {name}", partial(train, callback=kinds[""], sharded=True)


#: What cannot go with accumulation; that it says so is tested in ``training/test_encoding.py``.
NOT_ACCUMULATED = {"affinity factored", "distill okd"}
CASES: dict[str, tuple[Callable[..., dict[str, Tensor]], int]] = {
    f"{name}{word}": (training, parts)
    for name, training in cases()
    for word, parts in ACCUMULATION.items()
    if parts == 1 or (name not in NOT_ACCUMULATED and not name.startswith("fsdp"))
}


def _fewer() -> Iterator[str]:
    """For more processes than two, with which every case is seen: one method for each way to take gradients."""
    seen = set()
    for name in (name for name, (_, parts) in CASES.items() if parts == 1):
        if "balance" in name:
            method = make_for_any(name.split("balance ")[1].split(" at ")[0])
            way = (type(method).__mro__[1], method.needs, name.startswith("fsdp"), " at " in name)
            if way in seen:
                continue
            seen.add(way)
        yield name


FEWER = list(_fewer())


def names(processes: int) -> list[str]:
    """The cases for a number of processes."""
    return list(CASES) if processes == 2 else FEWER


def run(number: int, folder: str, processes: int) -> None:
    """Everything, in process ``number``; what it found goes into a file."""
    torch.set_num_threads(1)
    made = {"rank": number, "world_size": processes, "timeout": timedelta(seconds=120)}
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", **made)
    cases = {name: CASES[name] for name in names(processes)}
    found = {name: training(accumulate=parts) for name, (training, parts) in cases.items()}
    torch.save(found, Path(folder) / f"{number}.pt")
    distributed.destroy_process_group()
