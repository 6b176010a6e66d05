"""One training, and what is kept of it: the metrics of every evaluation on validation and on test."""

from __future__ import annotations

import copy
import time
from typing import Any

import torch

import polytask as pt
from polytask.runs.preparation.prepared import labelled_rows
from polytask.training.evaluation import Evaluation, evaluate, trivial_levels
from polytask.training.loop import Training

from .methods import EMA, FOREVER, Method
from .setup import Data, Setup

Series = list[dict[str, float]]
#: Added to the seed of a student that starts afresh.
ANOTHER = 1_000


class Recorder(pt.Callback):
    """Notes test metrics at every evaluation, for the report only, and those of a moving average of the parameters."""

    name = "recorder"

    def __init__(self, test: pt.Rows, average: bool) -> None:
        self.test, self.with_average = test, average
        self.series: dict[str, Series] = {"validation": [], "test": []}
        if average:
            self.series |= {"ema_validation": [], "ema_test": []}
        self.seconds = 0.0
        self._average: pt.MultiTaskModel | None = None

    def start(self, training: Training) -> None:
        if self.with_average:
            self._average = copy.deepcopy(training.model)
            self._pairs = [[p.data for p in model.parameters()] for model in (self._average, training.model)]

    def before_step(self, training: Training, batch: Any) -> None:
        if self._average is not None:
            started = time.process_time()
            torch._foreach_lerp_(*self._pairs, 1 - EMA)
            self.seconds += time.process_time() - started

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        started = time.process_time()
        self.series["validation"].append(_rounded(evaluation.validation))
        self.series["test"].append(_rounded(evaluate(training.evaluated, self.test)))
        if self._average is not None:
            self.series["ema_validation"].append(_rounded(evaluate(self._average, training.validation)))
            self.series["ema_test"].append(_rounded(evaluate(self._average, self.test)))
        self.seconds += time.process_time() - started


class FreshStart(pt.Callback):
    """The training begins again, from other weights, at the first step on soft labels."""

    name = "fresh_start"

    def __init__(self, network: pt.MultiTaskModel) -> None:
        self.network: pt.MultiTaskModel | None = network

    def before_step(self, training: Training, batch: Any) -> None:
        if self.network is not None and training.objective.soft:
            for model in {id(model): model for model in (training.model, training.evaluated)}.values():
                model.load_state_dict(self.network.state_dict())
            training.optimizer.state.clear()
            self.network = None


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in values.items()}


def train(
    setup: Setup, data: Data, method: Method, learning_rate: float, dropout: float, draw: int, seed: int
) -> dict[str, Any]:
    """Train once and give the record of the run."""
    settings = pt.TrainingSettings(
        **{
            "steps": setup.steps, "batch_size": setup.batch_size, "evaluate_every": setup.evaluate_every,
            "learning_rate": learning_rate, "patience": FOREVER, "threads": 1, **setup.extra, **method.settings,
        }
    )  # fmt: skip
    record: dict[str, Any] = {
        "setup": setup.name, "method": method.trained_as, "learning_rate": learning_rate, "dropout": dropout,
        "draw": draw, "seed": seed, "evaluate_every": setup.evaluate_every,
        "trivial": trivial_levels(data.tasks, data.rows["validation"]),
    }  # fmt: skip
    if method.single:
        return record | _single(data, method, settings, dropout, seed)
    return record | _one(data.tasks, data.rows, data, method, settings, dropout, seed, draw)


def _one(
    tasks: tuple[pt.Task, ...],
    rows: dict[str, pt.Rows],
    data: Data,
    method: Method,
    settings: pt.TrainingSettings,
    dropout: float,
    seed: int,
    draw: int = 0,
) -> dict[str, Any]:
    recorder = Recorder(rows["test"], average=method.plain and not method.single)
    convergence = method.callbacks(settings.steps or 0)
    network = data.network(tasks, seed, dropout)
    fresh = [FreshStart(data.network(tasks, seed + ANOTHER, dropout))] if method.fresh else []
    started = time.process_time()
    result = pt.fit(
        network, train=rows["train"], validation=rows["validation"], balancer=method.make_balancer(tasks, draw),
        callbacks=[*convergence, recorder, *fresh], settings=settings, seed=seed,
    )  # fmt: skip
    seconds = time.process_time() - started - recorder.seconds
    switched = {name: step for callback in convergence for name, step in callback.converged_at.items()}
    return {"steps": result.steps, "seconds": round(seconds, 2), "switched": switched, **recorder.series}


def _single(data: Data, method: Method, settings: pt.TrainingSettings, dropout: float, seed: int) -> dict[str, Any]:
    """One network per task, on that task's rows alone; the series are assembled."""
    records = []
    for position, task in enumerate(data.tasks):
        rows = {part: labelled_rows(rows, [position]) for part, rows in data.rows.items()}
        records.append(_one((task,), rows, data, method, settings, dropout, seed))
    series = {
        name: [{key: value for values in step for key, value in values.items()}
               for step in zip(*(record[name] for record in records), strict=True)]
        for name in ("validation", "test")
    }  # fmt: skip
    steps, seconds = (sum(record[name] for record in records) for name in ("steps", "seconds"))
    return {"steps": steps, "seconds": round(seconds, 2), "switched": {}, **series}
