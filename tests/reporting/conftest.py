"""Run folders as `polytask fit` leaves them, made up, for any number of tasks."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from polytask.reporting import write_report

NAMES = [
    "click",
    "dwell <time> & more",
    "purchase_within_thirty_days_of_the_first_visit_to_the_store!",
    "退货率",
    "Зарплата",
    "quote \"and\" 'apostrophe'",
    "cpu/usage%",
    "x",
]
METRICS = [("binary", "roc_auc", "max"), ("regression", "rmse", "min"), ("multiclass", "accuracy", "max")]
EPOCHS = 12


def names(count: int) -> list[str]:
    return (NAMES + [f"assay_{number:02d}_inhibition" for number in range(len(NAMES), count)])[:count]


def write_run(folder: Path, tasks: int = 9, networks: int = 3, baselines: bool = True, finished: bool = True) -> Path:
    """A whole run; ours is a little better than single-task in most tasks."""
    maker = _Maker(names(tasks), min(networks, tasks), random.Random(tasks))
    folder.mkdir(parents=True, exist_ok=True)
    config = {"data": "data/visits <2026>.csv", "targets": maker.tasks, "networks": networks, "balance": "dwa"}
    config |= {"converge": "joint", "seed": 7, "epochs": EPOCHS, "note": "</pre><script>alert(1)</script>"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")
    events = maker.events(baselines)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    if networks > 1:
        write_json(folder / "affinity.json", maker.affinity())
        write_json(folder / "selection.json", maker.selection())
    if finished:
        write_json(folder / "results.json", maker.results(baselines))
    return folder


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """``make_run(tasks=…, networks=…, baselines=…, finished=…)`` writes a run and gives its folder."""
    return lambda **kwargs: write_run(tmp_path / "run", **kwargs)


class Page(str):
    """The source of a page, the ``text`` that a reader sees, and the ``tags`` that it opens."""

    def __init__(self, source: str) -> None:
        parts: list[str] = []
        self.tags: list[str] = []
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, attributes: self.tags.append(tag)  # type: ignore[method-assign]
        parser.handle_data = parts.append  # type: ignore[method-assign, assignment]
        parser.feed(source)
        self.text = " ".join("".join(parts).split())


@pytest.fixture
def read_report() -> Callable[[Path], Page]:
    """``read_report(folder)`` writes the report of a run and reads it."""
    return lambda folder: Page(write_report(folder).read_text(encoding="utf-8"))


class _Maker:
    def __init__(self, tasks: list[str], networks: int, noise: random.Random) -> None:
        self.tasks, self.networks, self.noise = tasks, networks, noise
        self.serves = {task: place * networks // len(tasks) for place, task in enumerate(tasks)}
        self.kinds = {task: METRICS[place % len(METRICS)] for place, task in enumerate(tasks)}
        self.levels = {task: 0.65 + 0.3 * noise.random() for task in tasks}
        large = tasks[1::6]  # numbers of another size, all of them to be minimised
        self.scales = {task: 40.0 if task in large else 1.0 for task in tasks}
        self.peaks = {task: 3 + noise.randrange(EPOCHS - 4) for task in tasks}

    def value(self, task: str, epoch: float, bonus: float = 0.0) -> float:
        rise = 1 - math.exp(-0.8 * epoch)
        fall = 0.012 * max(0.0, epoch - self.peaks[task])
        good = self.levels[task] * rise - fall + bonus + 0.004 * self.noise.random()
        return self.scales[task] * (1.2 - good if self.kinds[task][2] == "min" else good)

    def training(self, name: str, tasks: list[str], start: float, bonus: float) -> list[dict[str, Any]]:
        events = [{"event": "training_start", "training": name, "tasks": tasks, "step": 0, "epoch": 0.0, "time": start}]
        for half in range(1, 2 * EPOCHS + 1):
            common = {"training": name, "step": 50 * half, "epoch": half / 2, "time": start + half}
            values = {task: self.value(task, half / 2, bonus) for task in tasks}
            measured = {
                "losses": dict.fromkeys(tasks, 1 / half),
                "weights": {t: 1 + 0.1 * len(t) / half for t in tasks},
            }
            if name == "all_in_one":  # the training that measures affinity
                measured["gradient_norms"] = {t: self.scales[t] / half for t in tasks}
                measured["conflicts"] = {t: (place % 7) / 10 + 0.1 / half for place, t in enumerate(tasks)}
            events.append({"event": "evaluation", "validation": values, **measured, "score": 0.5, **common})
            for task in tasks if name.startswith("network") else []:
                if half / 2 == self.peaks[task] + 1 and self.peaks[task] < EPOCHS - 3:
                    peak = {"task": task, "best_epoch": self.peaks[task], "peak": self.value(task, self.peaks[task])}
                    events.append({"event": "converged", **peak, **common})
        end = {"training": name, "seconds": 24.0, "steps": 50 * 2 * EPOCHS, "returned_epoch": 7.0}
        return [*events, {"event": "training_end", "step": 1200, "epoch": 12.0, "time": start + 25, **end}]

    def events(self, baselines: bool) -> list[dict[str, Any]]:
        start, events = 1_770_000_000.0, []
        events.append({"event": "run_start", "step": 0, "epoch": 0.0, "time": start})
        if baselines:
            events += self.training("all_in_one", self.tasks, start, -0.03)
            for task in self.tasks:
                events += self.training(f"single_task.{task}", [task], start + 100, -0.01)
        for network in range(self.networks):
            events += self.training(f"network_{network}", self.members(network), start + 200, 0.0)
        return events

    def members(self, network: int) -> list[str]:
        helpers = [self.tasks[0]] if network == 1 else []
        return [task for task in self.tasks if self.serves[task] == network] + helpers

    def affinity(self) -> dict[str, Any]:
        def effect(i: str, j: str) -> float:
            close = 0.6 if self.serves[i] == self.serves[j] else -0.2
            return (8 if i == j else close + self.noise.gauss(0, 0.3)) * 10 ** -(2 + len(j) % 4)

        return {"tasks": self.tasks, "affinity": [[effect(i, j) for j in self.tasks] for i in self.tasks], "meta": {}}

    def selection(self) -> dict[str, Any]:
        most = min(len(self.tasks), self.networks + 2)
        curve = [{"networks": n, "score": 0.004 * (1 - math.exp(-n / 2))} for n in range(1, most + 1)]
        chosen = [self.members(network) for network in range(self.networks)]
        return {"networks": chosen, "serves": self.serves, "score": 0.003, "bound": 0.003, "optimal": True} | {
            "curve": curve
        }

    def results(self, baselines: bool) -> dict[str, Any]:
        tasks = {task: self.result(task) for task in self.tasks}
        results: dict[str, Any] = {"tasks": tasks, "extra": 1}
        phases = {"prepare": 1.2, "affinity": 31.0, "select": 0.05, "networks": 95.5, "single_task": 301.0, "test": 2.0}
        results["totals"] = {"seconds": sum(phases.values()), "seconds_by_phase": phases, "parameters": 1_254_312}
        results["totals"] |= {
            "rows": {"train": 70_000, "validation": 15_000, "test": 15_000},
            "networks": self.networks,
        }
        if baselines:
            results["baselines"] = {
                name: {task: self.pair(task, bonus) for task in self.tasks}
                for name, bonus in (("single_task", -0.008), ("all_in_one", -0.03))
            }
        return results

    def pair(self, task: str, bonus: float) -> dict[str, float]:
        bonus += 0.02 * (self.noise.random() - 0.5)
        peak = self.peaks[task]
        return {"validation": self.value(task, peak, bonus), "test": self.value(task, peak, bonus - 0.01)}

    def result(self, task: str) -> dict[str, Any]:
        kind, metric, direction = self.kinds[task]
        converged = self.peaks[task] + 1 if self.peaks[task] < EPOCHS - 3 else None
        return {
            **{"kind": kind, "metric": metric, "direction": direction, "network": self.serves[task]},
            **self.pair(task, 0.0),
            **{"best_epoch": self.peaks[task], "converged_epoch": converged, "kept": 0.9 + 0.1 * self.noise.random()},
            "peak": self.value(task, self.peaks[task]),
        }
