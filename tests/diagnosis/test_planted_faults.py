"""Runs of the command with one fault each: ``polytask doctor`` names it, and says nothing about sound ones."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from polytask.config import Config, make_config
from polytask.config.file import read_config
from small_table import polytask

SMALL = ("--networks", 1, "--batch-size", 64, "--steps", 400, "--set", "threads=1", "--set", "model.hidden=[64,32]",
         "--set", "model.numbers=linear")  # one that does not learn the hard task at once  # fmt: skip


def table(path: Path, *, rows: int = 1500, seed: int = 0, noise: float = 0.8, labelled: float = 1.0,
          hard: bool = False, leak: bool = False, waves: bool = False) -> Path:  # fmt: skip
    """Two classes ``a`` and ``b`` and a number ``c`` of eight columns; ``c`` has few labels, or is a class by a rule
    that takes long to learn, or a column gives ``b`` away, or each wants features that the others do not."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, 8))
    scores = [x[:, 0] + x[:, 1], x[:, 1] - x[:, 0] + x[:, 3], x[:, 4] + x[:, 5] - x[:, 1]]
    if waves:
        scores = [3 * np.sin(2 * x[:, place]) for place in range(3)]
    if hard:
        scores[2] = 2 * np.sign(x[:, 4] * x[:, 5])
    a, b, c = (score + noise * draw.normal(size=rows) for score in scores)
    columns = {f"x{number}": x[:, number].round(4) for number in range(8)}
    columns |= {"a": np.where(a > 0, "yes", "no"), "b": np.where(b > 0, "yes", "no")}
    columns["c"] = (np.where(c > 0, "yes", "no") if hard else c.round(4)).astype(object)
    columns["c"][draw.random(rows) > labelled] = ""
    if leak:
        columns["shipped"] = (b > 0) + (0.01 * draw.normal(size=rows)).round(4)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return path


#: On few validation rows no task is surely better in its single-task model, which would then serve it.
FEW_TO_CHOOSE_BY = ("--split", "0.85,0.02,0.13")


def doctor(data: Path, *options: object, baselines: bool = False) -> dict[str, dict[str, object]]:
    """What is found about a run, by its kind."""
    run = data.parent / "run"
    alone = () if baselines else ("--no-baselines",)
    result = polytask("fit", data, "--targets", "a,b,c", "--out", run, *SMALL, *alone, *options)
    assert result.exit_code == 0, result.output
    findings = json.loads(polytask("doctor", run, "--json").stdout)
    for finding in findings:
        assert any(letter.isdigit() for letter in finding["evidence"]), finding
        assert pasted(run, finding["advice"]) or "COLUMN" in finding["advice"], finding
    return {finding["kind"]: finding for finding in findings}


def pasted(run: Path, advice: str) -> int:
    """The settings in a piece of advice, each of which `fit` takes behind the run's own configuration."""
    settings = [setting for setting in re.findall("`(--[^`]*)`", advice) if "COLUMN" not in setting]
    for setting in settings:
        seen: list[object] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("polytask.runs.fit_run", lambda config, *_, seen=seen, **__: seen.append(config) or {})
            result = polytask("fit", run / "config.yaml", "--out", run.parent / "new", *shlex.split(setting))
        assert seen and seen[0] != read(run), (setting, result.output)
    return len(settings)


def read(run: Path) -> Config:
    return make_config(read_config(run / "config.yaml"))


@pytest.mark.parametrize(("seed", "baselines"), [(0, False), (1, False), pytest.param(2, True, marks=pytest.mark.slow)])
def test_a_sound_run_is_left_in_peace(tmp_path, seed, baselines):
    assert doctor(table(tmp_path / "t.csv", seed=seed), "--learning-rate", 0.002, baselines=baselines) == {}


def test_a_column_that_gives_a_target_away(tmp_path):
    found = doctor(table(tmp_path / "t.csv", leak=True))["leak"]
    assert found["tasks"] == ["b"] and "--ignore" in found["advice"]


@pytest.mark.slow
def test_a_task_with_few_labels_is_starved(tmp_path):
    data = table(tmp_path / "t.csv", rows=4000, noise=0.3, labelled=0.15, hard=True)
    found = doctor(data, "--steps", 150, *FEW_TO_CHOOSE_BY, baselines=True)["starved"]
    assert found["tasks"] == ["c"] and "--weight" in found["advice"]
    with data.open() as stream:
        few = sum(row["c"] != "" for row in csv.DictReader(stream))
    said = re.search(r"alone \((\d+) training labels, others up to 3,400\)", found["evidence"])
    assert said and abs(int(said[1]) - 0.85 * few) < 30


def test_no_moment_that_is_good_for_all(tmp_path):
    """What is best for the task that takes long is too late for another one, by more than 400 rows may differ."""
    data = table(tmp_path / "t.csv", rows=1000, noise=1.5, hard=True)
    settings = ("model.dropout=0", "model.hidden=[256,128]", "select_by=task.c")
    options = [part for setting in settings for part in ("--set", setting)]
    found = doctor(data, "--converge", "off", "--learning-rate", 0.01, "--split", "0.3,0.4,0.3", *options)["peak lost"]
    assert found["tasks"] == ["b"] and "at its peak" in found["evidence"] and "--converge" in found["advice"]


def test_what_few_rows_cannot_tell_is_no_fault(tmp_path):
    """Thirty validation rows see peaks that 30 test rows do not: differences of .1 are chance."""
    data = table(tmp_path / "t.csv", rows=200, noise=2, hard=True)
    found = doctor(data, "--converge", "off", "--learning-rate", 0.01)
    assert found.keys() == {"noisy validation"}


def test_a_loss_that_is_a_thousand_times_louder_dominates(tmp_path):
    found = doctor(table(tmp_path / "t.csv"), "--weight", "c=1000")["dominated"]
    assert found["tasks"] == ["c"] and "--balance" in found["advice"]


def test_tasks_that_undo_what_the_others_learn(tmp_path):
    narrow = ("model.hidden=[2]", "model.dropout=0")
    options = [part for key in narrow for part in ("--set", key)]
    found = doctor(table(tmp_path / "t.csv", waves=True), "--networks", 2, "--together", "a,b,c", *options,
                   "--learning-rate", 0.01, "--steps", 200)["conflict"]  # fmt: skip
    assert set(found["tasks"]) <= {"a", "b", "c"} and "undoes" in found["evidence"] and "--balance" in found["advice"]


@pytest.mark.parametrize(("rate", "said"), [(0.3, "too high"), (1.0, "too high"), (1e-5, "too low")])
def test_a_learning_rate_that_is_off(tmp_path, rate, said):
    findings = doctor(table(tmp_path / "t.csv"), "--learning-rate", rate)
    assert said in findings["learning rate"]["evidence"] and "--learning-rate" in findings["learning rate"]["advice"]
    assert "too few steps" not in findings


def test_a_validation_part_of_few_rows(tmp_path):
    found = doctor(table(tmp_path / "t.csv"), "--split", "0.9,0.03,0.07")["noisy validation"]
    assert found["tasks"] == ["a", "b", "c"] and "45 validation rows" in found["evidence"]
    assert "--split" in found["advice"]


@pytest.mark.slow
def test_a_task_that_is_frozen_too_early_is_served_by_a_better_network(tmp_path):
    """The run has trained a single-task model, which is surely better: there is no fault left to find."""
    frozen = ("convergence.test=fixed", "convergence.fixed_step=20", "evaluate_every=5", "ema=null")
    options = [part for key in frozen for part in ("--set", key)]
    found = doctor(table(tmp_path / "t.csv", hard=True, noise=0.3), "--steps", 300, *options, baselines=True)
    assert "converged early" not in found
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    ours, alone = results["tasks"]["c"], results["baselines"]["single_task"]["c"]
    assert ours["converged_epoch"] is None and ours["test"] == alone["test"] > 0.9
