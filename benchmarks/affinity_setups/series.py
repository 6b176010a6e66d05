"""Samples of several estimators at every step of one training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import polytask as pt
from polytask.grouping.affinity import Estimator, Sample, make_estimators
from polytask.training.callbacks import AffinityProbe

from .problems import Problem

#: What is recorded: names, and the estimators with their options.
RECORDED: dict[str, tuple[str, dict[str, Any]]] = {
    "exact": ("lookahead", {}),
    "own": ("lookahead", {"lookahead": "optimizer"}),
    "momentum": ("lookahead", {"lookahead": "momentum"}),
    "gramian": ("gramian", {}),
    "factored": ("factored", {}),
    "representation": ("representation", {}),
}
#: What a training leaves besides the samples of estimators, one row per step.
ALWAYS = ("losses", "rate")


class Series(pt.Callback):
    """Asks several estimators at every step; the history of training is the same as without."""

    name = "series"

    def __init__(self, names: Sequence[str]) -> None:
        self.estimators: dict[str, Estimator] = {
            name: make_estimators(RECORDED[name][0], RECORDED[name][1])[0] for name in names
        }
        self.samples: dict[str, list[np.ndarray]] = {name: [] for name in [*names, *ALWAYS]}

    def before_step(self, training: Any, batch: Any) -> None:
        moment = AffinityProbe.moment(training, batch)
        for name, estimator in self.estimators.items():
            self._add(name, estimator.before_forward(moment))

    def after_forward(self, training: Any, batch: Any, common: Any, losses: Any) -> None:
        moment = AffinityProbe.moment(training, batch)
        for name, estimator in self.estimators.items():
            self._add(name, estimator.after_forward(moment, common, losses))
        self.samples["losses"].append(losses.means.double().numpy())
        self.samples["rate"].append(np.array(training.optimizer.param_groups[0]["lr"]))

    def _add(self, name: str, sample: Sample | None) -> None:
        if sample is not None:
            absent = ~(sample.present[:, None] & sample.present[None, :])
            self.samples[name].append(sample.affinity.detach().masked_fill(absent, torch.nan).double().numpy())


def record(problem: Problem, seed: int, names: Sequence[str], cache: Path, **settings: Any) -> dict[str, np.ndarray]:
    """``[T, K, K]`` samples by name, ``losses [T, K]`` and ``rate [T]``; what ``cache`` has is not recorded again."""
    tag = "_".join([problem.name, str(seed), *(f"{key}={value}" for key, value in settings.items())])
    paths = {name: cache / f"{tag}_{name}.npy" for name in [*names, *ALWAYS]}
    missing = [name for name in names if not paths[name].exists()]
    if missing:
        series = Series(missing)
        usual = {"steps": problem.steps, "batch_size": problem.batch, "evaluate_every": 10**6, "patience": 10**6}
        pt.fit(
            problem.model(seed),
            train=problem.rows("train"),
            validation=problem.rows("validation"),
            callbacks=[series],
            settings=pt.TrainingSettings(**{**usual, "device": "cpu", **settings}),
            seed=seed,
        )
        cache.mkdir(parents=True, exist_ok=True)
        for name in [*ALWAYS, *missing]:
            np.save(paths[name], np.stack(series.samples[name]).astype(np.float32))
    return {name: np.load(path).astype(np.float64) for name, path in paths.items()}
