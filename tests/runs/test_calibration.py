"""A temperature: for probabilities that are too sure or not sure enough, and numbers that are worse than their mean."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from polytask.config import make_config
from polytask.config.file import read_config
from polytask.records.events import read_log
from polytask.runs.averaged import Outputs
from polytask.runs.bundle import Bundle
from polytask.runs.calibration import Warmed, choose_temperature
from polytask.runs.preparation.prepare import prepare
from polytask.task import KINDS, Task
from polytask.training.evaluation import task_metric
from polytask.uncertainty import Estimate
from small_table import polytask, table_rows, write_table

ROWS = 3000


def drawn(kind: str) -> tuple[Task, Tensor, Tensor]:
    """A task, true logits, and labels that follow their probabilities; some of sets and tags are missing."""
    draw = torch.Generator().manual_seed(0)
    classes = () if kind == "binary" else ("1", "2", "3", "4")
    wide = KINDS[kind].wide
    task = Task("t", kind=kind, classes=classes, metric="" if wide else "log_loss")
    if kind == "tags":  # of two words a row
        one, outputs, targets = drawn("multiclass")
        outputs, targets = outputs.view(ROWS // 2, 2, one.width), targets.view(ROWS // 2, 2)
        targets[::3, 1] = torch.nan
        return task, outputs, targets
    outputs = 1.5 * torch.randn(ROWS, task.width, generator=draw)
    if kind == "multilabel":
        targets = (torch.rand(ROWS, task.width, generator=draw) < outputs.sigmoid()).float()
        targets[torch.rand(ROWS, task.width, generator=draw) < 0.1] = torch.nan
        return task, outputs, targets
    outputs = outputs if task.definition.vector_output else outputs[:, 0]
    shares = KINDS[kind].predict(outputs)
    shares = torch.stack([1 - shares, shares], 1) if kind == "binary" else shares
    return task, outputs, torch.multinomial(shares, 1, generator=draw)[:, 0].float()


@pytest.mark.parametrize(
    "kind", sorted(name for name, kind in KINDS.items() if kind.calibrated and name != "regression")
)
def test_the_temperature_of_logits_is_found(kind: str) -> None:
    task, outputs, targets = drawn(kind)
    ids = torch.arange(len(targets))
    for factor in (0.5, 3.0):
        found = choose_temperature(task, factor * outputs, targets, ids)
        assert found is not None and found.temperature == pytest.approx(factor, rel=0.15)
        assert found.gain.value > 3 * found.gain.error
    assert choose_temperature(task, outputs, targets, ids) is None


def test_no_temperature_that_makes_the_metric_worse() -> None:
    """Medians of true probabilities of ordered classes have a lower kappa than those of overconfident ones."""
    task, outputs, targets = drawn("ordinal")
    sure, ids = 3 * outputs, torch.arange(ROWS)
    by_kappa = replace(task, metric="quadratic_kappa")
    found = choose_temperature(task, sure, targets, ids)
    assert found is not None and choose_temperature(by_kappa, sure, targets, ids) is None
    before, after = (task_metric(replace(by_kappa, temperature=one), sure, targets) for one in (1, found.temperature))
    assert after < before


def numbers(signal: float, rows: int = ROWS) -> tuple[Task, Tensor, Tensor]:
    """Predictions and standardised targets that share a part."""
    draw = torch.Generator().manual_seed(0)
    outputs = torch.randn(rows, generator=draw)
    targets = signal * outputs + (1 - signal**2) ** 0.5 * torch.randn(rows, generator=draw)
    return Task("t", kind="regression"), outputs, targets


@pytest.mark.parametrize(("signal", "expected"), [(0.5, 2.0), (0.0, 10.0)])
def test_numbers_that_are_worse_than_their_mean_are_drawn_to_it(signal: float, expected: float) -> None:
    task, outputs, targets = numbers(signal)
    found = choose_temperature(task, outputs, targets, torch.arange(ROWS))
    assert found is not None and found.numbers and found.temperature == pytest.approx(expected, rel=0.15)
    before, after = (task_metric(replace(task, temperature=one), outputs, targets) for one in (1, found.temperature))
    assert before < 0.1 and after > -0.05 and after == pytest.approx(signal**2, abs=0.05)


@pytest.mark.parametrize("size", [30.0, 1000.0])
def test_numbers_far_from_all_labels_are_drawn_to_the_mean(size: float) -> None:
    task, outputs, targets = numbers(0.0)
    found = choose_temperature(task, size * outputs, targets, torch.arange(ROWS))
    assert found is not None and found.temperature > size
    assert task_metric(replace(task, temperature=found.temperature), size * outputs, targets) > -0.05


def test_numbers_stay_where_a_few_rows_cannot_tell() -> None:
    task, outputs, targets = numbers(0.5, rows=12)
    assert choose_temperature(task, outputs, targets, torch.arange(12)) is None
    task, outputs, targets = numbers(0.5)
    assert choose_temperature(task, 0.5 * outputs, targets, torch.arange(ROWS)) is None


def test_numbers_are_never_taken_further_from_the_mean() -> None:
    task, outputs, targets = numbers(0.9)
    assert choose_temperature(task, 0.3 * outputs, targets, torch.arange(ROWS)) is None


def test_validation_metrics_of_results_are_those_of_what_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the temperature that is found after training; the baselines have theirs."""
    monkeypatch.setattr("polytask.runs.probabilities.choose_temperature", lambda *_: Warmed(3.0, Estimate.exact(0.1)))
    data = write_table(tmp_path / "table.csv", table_rows())
    settings = ("--metric", "click=log_loss", "--ignore", "note", "--networks", 1, "--steps", 60)
    result = polytask("fit", data, "--targets", "click,price", "--id", "key", "--out", tmp_path / "run", *settings)
    assert result.exit_code == 0, result.output
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    bundle, log = Bundle.load(tmp_path / "run"), read_log(tmp_path / "run" / "metrics.jsonl")
    prepared = prepare(make_config(read_config(tmp_path / "run" / "config.yaml")))
    assert [task.temperature for task in bundle.schema.tasks] == [3.0, 3.0]
    served = Outputs(prepared.rows["validation"], bundle.schema.tasks, dict(enumerate(bundle.networks)))
    for name, entry in results["tasks"].items():
        assert entry["validation"] == pytest.approx(served.metric(name, bundle.serves[name]).value, rel=1e-5)
        plain = results["baselines"]["all_in_one"][name]["validation"]
        evaluated = [value for _, value in log.trainings["all_in_one"].curve(name)]  # without a temperature
        assert plain not in [pytest.approx(value, rel=1e-5) for value in evaluated]
