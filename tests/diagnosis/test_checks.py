"""Every check finds what is planted, and says nothing about a run in which all is well."""

import itertools
import re
import shlex
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.diagnosis.below_constant import below_constant
from polytask.diagnosis.data import drift, leak, weak_split
from polytask.diagnosis.diagnose import CHECKS
from polytask.diagnosis.heavy_tails import heavy_tails
from polytask.diagnosis.ids_as_features import ids_as_features
from polytask.diagnosis.learning import (
    diverged,
    learning_rate,
    noisy_validation,
    nothing_learned,
    overfitting,
    too_few_steps,
)
from polytask.diagnosis.related_targets import related_targets
from polytask.diagnosis.repeated_rows import repeated_rows
from polytask.diagnosis.sharing import conflict, converged_early, dominated, forgotten, peak_lost, starved
from polytask.diagnosis.useless_classes import useless_classes
from polytask.records.events import ConvergenceRecord, EvaluationRecord, Log, TrainingRecord
from polytask.records.run import Run, TaskMatrix

TASKS = ("a", "b", "c")
NOISE = np.random.default_rng(0).normal(size=(40, 3))


def well(evaluations=40):
    """Rises, then stays: with a little noise."""
    return 0.9 - 0.4 * 0.7 ** np.arange(evaluations)


def training(name="network_0", values=None, losses=None, weights=1.0, noise=0.001, converged=None, error=None):
    values = {**dict.fromkeys(TASKS), **(values or {})}
    losses = {**dict.fromkeys(TASKS), **(losses or {})}
    points = []
    for k in range(40):
        points.append(
            EvaluationRecord(
                10.0 * (k + 1),
                float(k),
                {t: float((well() if values[t] is None else values[t])[k]) + noise * NOISE[k, i]
                 for i, t in enumerate(TASKS)},
                None,
                {t: float((0.5 - 0.002 * np.arange(40) if losses[t] is None else losses[t])[k]) for t in TASKS},
                dict.fromkeys(TASKS, weights),
                errors=dict.fromkeys(TASKS, error),
            )
        )  # fmt: skip
    return TrainingRecord(name, list(TASKS), points, converged or {}, steps=400.0)


def make_run(*trainings, results=None, alone=None, **parts):
    tasks = {
        task: {
            "kind": "binary", "metric": "roc_auc", "direction": "max", "validation": 0.9, "test": 0.89, "network": 0,
            "converged_epoch": None, "peak": 0.9, "kept": 1.0, **(results or {}).get(task, {}),
        }
        for task in TASKS
    }  # fmt: skip
    baselines = {"single_task": {t: {"validation": (alone or {}).get(t, 0.89), "test": 0.88} for t in TASKS}}
    whole = {"tasks": tasks, "baselines": baselines, "totals": {"trivial": dict.fromkeys(TASKS, 0.5)}}
    log = Log({t.name: t for t in trainings or (training(),)}, 0.0, parts.pop("warnings", ()))
    return Run(Path("run"), {"targets": list(TASKS)}, whole, log=log, **parts)


def found(check, run):
    findings = list(check(run))
    assert all(finding.evidence and finding.advice for finding in findings)
    return {task for finding in findings for task in finding.tasks}


def test_nothing_is_reported_about_a_good_run():
    assert [finding for check in CHECKS for finding in check(make_run())] == []


def test_nothing_learned():
    assert found(nothing_learned, make_run(training(values={"b": np.full(40, 0.503)}))) == {"b"}


def test_diverged():
    one = training()
    assert not list(diverged(make_run(one)))
    one.take({"event": "diverged", "step": 8, "what": "the loss of click"})
    (finding,) = diverged(make_run(one))
    assert "the loss of click diverged at step 8" in finding.evidence and "learning-rate" in finding.advice


def test_too_few_steps():
    rising = np.linspace(0.5, 0.8, 40)
    assert found(too_few_steps, make_run(training(values={"a": rising}))) == {"a"}
    stopped_early = replace(training(values={"a": rising}), steps=4000.0)
    assert not found(too_few_steps, make_run(stopped_early))


def test_learning_rate():
    falling = np.concatenate([[0.7, 0.8], np.linspace(0.79, 0.6, 38)])
    assert found(learning_rate, make_run(training(values={"a": falling, "c": falling}))) == {"a", "c"}
    assert not found(learning_rate, make_run(training(values={"a": falling})))  # one of three: not the rate
    for error, expected in ((0.15, {"a", "c"}), (0.25, set())):  # fallen by .2
        run = make_run(training(values={"a": falling, "c": falling}, error=error))
        assert found(learning_rate, run) == expected


def test_noisy_validation():
    assert found(noisy_validation, make_run(training(noise=0.05))) == set(TASKS)
    assert not found(noisy_validation, make_run(training(noise=0.005)))


def test_overfitting():
    falling = np.concatenate([np.linspace(0.6, 0.8, 15), np.linspace(0.8, 0.7, 25)])
    losses = np.linspace(0.6, 0.1, 40)
    assert found(overfitting, make_run(training(values={"b": falling}, losses={"b": losses}))) == {"b"}
    assert not found(overfitting, make_run(training(values={"b": falling}, losses={"b": np.full(40, 0.5)})))
    for error, expected in ((0.08, {"b"}), (0.12, set())):  # fallen by .1
        assert (
            found(overfitting, make_run(training(values={"b": falling}, losses={"b": losses}, error=error))) == expected
        )


def test_what_happens_after_a_switch_is_not_the_tasks_own_learning():
    falling = np.concatenate([np.linspace(0.6, 0.8, 15), np.linspace(0.8, 0.7, 25)])
    switched = training(values={"b": falling}, losses={"b": np.linspace(0.6, 0.1, 40)})
    switched.converged["b"] = ConvergenceRecord(160.0, 15.0, 0.8)
    assert not found(overfitting, make_run(switched))


def test_starved():
    run = make_run(alone={"c": 0.95})
    assert found(starved, run) == {"c"}
    for options, advice in (
        ({}, "twice the width (`--set model.hidden=[512,256]`), "),
        ({"model": {"hidden": [64, 32]}}, "twice the width (`--set model.hidden=[128,64]`), "),
        ({"encoder": {"name": "resnet"}}, "`--networks 2`, "),  # its widths have other names
    ):
        run.config.update(options)
        (finding,) = starved(run)
        assert finding.advice.startswith(advice)
    del run.config["model"], run.config["encoder"]
    known = run.results["baselines"]["single_task"]["c"]
    for half, expected in ((0.04, {"c"}), (0.06, set())):  # behind by .05: more or less than chance
        known["gain_interval"] = [0.01 - half, 0.01 + half]
        assert found(starved, run) == expected


def test_peak_lost():
    kept = {"a": {"kept": 0.7, "validation": 0.63, "peak": 0.9}, "b": {"kept": 0.95}}
    assert found(peak_lost, make_run(results=kept)) == {"a"}
    for error, expected in ((0.25, {"a"}), (0.3, set())):  # lost .27
        assert found(peak_lost, make_run(training(error=error), results=kept)) == expected


def test_dominated():
    assert found(dominated, make_run(training(losses={"a": np.full(40, 30.0)}))) == {"a"}


def test_held_tasks_are_quiet_and_may_not_be_forgotten():
    run = make_run(training(losses={"a": np.full(40, 30.0)}))
    run.results["baselines"]["before"] = {
        "b": {"validation": 0.95, "test": 0.9, "held": True},
        "c": {"validation": 0.9, "test": 0.9, "held": True},
    }
    assert found(forgotten, run) == {"b"}
    assert not found(dominated, run)
    for half, expected in ((0.04, {"b"}), (0.06, set())):  # behind by .05
        run.results["baselines"]["before"]["b"]["gain_interval"] = [-half, half]
        assert found(forgotten, run) == expected


def test_conflict():
    values = [[None, -0.2, 0.1], [-0.3, None, 0.1], [0.1, 0.1, None]]
    run = make_run(affinity=TaskMatrix(list(TASKS), values))
    assert found(conflict, run) == {"a", "b"}
    one_way = [[None, 0.2, 0.1], [-0.3, None, 0.1], [0.1, 0.1, None]]
    assert not found(conflict, make_run(affinity=TaskMatrix(list(TASKS), one_way)))
    apart = make_run(results={"b": {"network": 1}}, affinity=TaskMatrix(list(TASKS), values))
    assert not found(conflict, apart)
    for end, expected in ((-0.01, {"a", "b"}), (0.01, set())):  # of the interval of an update on a
        stability = {"high": [[0.0, end, 0.2], [-0.1, 0.0, 0.2], [0.2, 0.2, 0.0]]}
        run = make_run(affinity=TaskMatrix(list(TASKS), values), selection={"stability": stability})
        assert found(conflict, run) == expected


def test_converged_early():
    frozen = {"a": {"converged_epoch": 10.0, "peak": 0.8}}
    assert found(converged_early, make_run(training(), training("all_in_one"), results=frozen)) == {"a"}
    for error, expected in ((0.05, {"a"}), (0.15, set())):  # .1 more later
        run = make_run(training(error=error), training("all_in_one"), results=frozen)
        assert found(converged_early, run) == expected
    late = {"a": {"converged_epoch": 39.0, "peak": 0.8}}
    assert not found(converged_early, make_run(training(), training("all_in_one"), results=late))


def test_leak():
    perfect = {"b": {"validation": 1.0, "test": 0.9999}}
    assert found(leak, make_run(results=perfect)) == {"b"}
    assert not found(leak, make_run(results={"b": {"validation": 0.98, "test": 1.0}}))
    for labels, expected in ((40, set()), (50, {"b"})):
        run = make_run(results=perfect)
        run.log.overview["targets"] = {"b": {"labels": {"train": 500, "validation": 50, "test": labels}}}
        assert found(leak, run) == expected
    assert found(leak, make_run(warnings=("feature 'x' is a recoding of target 'c'",))) == {"c"}


def test_weak_split():
    run = make_run(warnings=("t.csv: target 'b' has 3 positive labels in validation", "feature 'x' orders target 'c'"))
    assert found(weak_split, run) == {"b"}


def test_targets_that_follow_from_other_columns():
    run = make_run(warnings=("target 'c' is the sum of targets 'a' and 'b'", "target 'a' is a copy of feature 'x'"))
    of_targets, of_features = related_targets(run)
    assert of_targets.tasks == ("c", "a", "b") and "`--targets a,b --ignore c`" in of_targets.advice
    assert of_features.tasks == ("a",) and "`--ignore x`" in of_features.advice
    assert not list(weak_split(run)) and not list(leak(run))


def test_ids_and_repeated_rows_are_no_weak_split():
    run = make_run(warnings=(
        "column 'shop id' is a feature and named like an id (25 different values in 100 rows)",
        "3 of 1,009 test rows have the features of a training row: if these are duplicates of one record, ...",
    ))  # fmt: skip
    (of_ids,), (of_rows,) = ids_as_features(run), repeated_rows(run)
    assert "`--ignore 'shop id'`" in of_ids.advice and of_rows.evidence.startswith("3 of 1,009 test rows")
    assert not list(weak_split(run))


def test_heavy_tails():
    far = [0.0, 1.0, 2.0, 3.0, 900.0]

    def told(quantiles, asked, metric="r2", **entry):
        run = make_run(results={"a": {"kind": "regression", "metric": metric}})
        run.log.overview["targets"] = {"a": {"quantiles": quantiles, **entry}, "b": {"quantiles": quantiles}}
        run.config["transform"] = asked
        return [finding.advice for finding in heavy_tails(run)]

    (advice,) = told(far, "none")
    assert "`--set data.transform.a=log`" in advice
    (advice,) = told([-900.0, 1.0, 2.0, 3.0, 4.0], "none")
    assert "`--set data.transform.a=quantile`" in advice
    (advice,) = told(far, "auto")  # the run has tried the scales
    assert "`--metric a=mae`" in advice and "transform" not in advice
    assert not told([0.0, 1.0, 2.0, 3.0, 9.0], "none") and not told(far, {"a": "log"})
    assert not told(far, "auto", transform="log") and not told(far, "auto", metric="mae")


def test_a_class_that_is_never_right():
    run = make_run(results={"b": {"missed_classes": {"rare": 31}}})
    (finding,) = useless_classes(run)
    assert finding.tasks == ("b",) and "'rare' (31 rows)" in finding.evidence and "roc_auc is 0.9" in finding.evidence
    assert "class_weights.b=balanced" in finding.advice and "balanced_accuracy,roc_auc" in finding.advice
    run.config["class_weights"] = "balanced"
    assert "class_weights" not in next(useless_classes(run)).advice


def test_worse_than_a_constant():
    below = {"metric": "r2", "test": -1.0, "interval": [-1.2, -0.8]}
    assert found(below_constant, with_trivial(0.0, {"a": below, "b": below | {"interval": [-2, 0.5]}})) == {"a"}


def with_trivial(level, results):
    run = make_run(results=results)
    run.results["totals"]["trivial"] = dict.fromkeys(TASKS, level)
    return run


def test_drift():
    worse = {task: {"test": 0.7} for task in TASKS}
    assert found(drift, make_run(results=worse)) == set(TASKS)
    for error, half, expected in (  # lost .2
        (0.08, 0.1, set(TASKS)), (0.11, 0.1, set()), (0.08, 0.16, set()),
        (None, 0.18, set(TASKS)), (0.09, None, set(TASKS)),
    ):  # fmt: skip
        interval = None if half is None else [0.7 - half, 0.7 + half]
        run = make_run(training(error=error), results={task: {"test": 0.7, "interval": interval} for task in TASKS})
        assert found(drift, run) == expected


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_no_check_fails_on_a_run_with_little_in_it(check):
    bare = Run(Path("run"), {}, {"tasks": {"a": {"validation": None, "test": None}}})
    assert list(check(bare)) == []


#: What the run has; settings with numbers are compared with it.
NOW = {"learning-rate": 0.001, "steps": 400.0, "weight": 1.0, "dropout": 0.1}
CURVES = {
    "well": 0.9 - 0.4 * 0.7 ** np.arange(40),
    "flat": np.full(40, 0.503),
    "rising": np.linspace(0.5, 0.8, 40),
    "falling": np.concatenate([[0.7, 0.8], np.linspace(0.79, 0.6, 38)]),
    "over": np.concatenate([np.linspace(0.6, 0.8, 15), np.linspace(0.8, 0.7, 25)]),
}
LOSSES = {"learns": np.linspace(0.6, 0.1, 40), "stays": np.full(40, 0.5), "loud": np.full(40, 30.0)}


def directions(advice: str) -> list[tuple[str, bool]]:
    """What is to be raised (True) or lowered, by a piece of advice."""
    found = []
    for quoted in re.findall("`(--[^`]*)`", advice):
        parts = shlex.split(quoted)
        for option, value in itertools.pairwise(parts):
            key, name = option.removeprefix("--"), ""
            if key == "set":
                key, _, value = value.rpartition("=")
                key = key.rpartition(".")[2]
            elif key == "weight":
                name, _, value = value.rpartition("=")
            if key in NOW:
                found.append((f"{key} {name}".strip(), float(value) > NOW[key]))
    return found


@given(
    curves=st.fixed_dictionaries({task: st.sampled_from(sorted(CURVES)) for task in TASKS}),
    losses=st.fixed_dictionaries({task: st.sampled_from(sorted(LOSSES)) for task in TASKS}),
    alone=st.fixed_dictionaries({task: st.sampled_from([0.5, 0.89, 0.99]) for task in TASKS}),
    kept=st.fixed_dictionaries({task: st.sampled_from([0.1, 1.0]) for task in TASKS}),
    diverged=st.booleans(),
    noise=st.sampled_from([0.0, 0.001, 0.05]),
)
@settings(deadline=None, max_examples=150)
def test_no_two_findings_contradict(curves, losses, alone, kept, diverged, noise):
    """No number is to be raised by one and lowered by another."""
    trained = training(
        values={task: CURVES[name] for task, name in curves.items()},
        losses={task: LOSSES[name] for task, name in losses.items()},
        noise=noise,
    )
    if diverged:
        trained.take({"event": "diverged", "step": 8, "what": "the loss of a"})
    peaks = {task: {"kept": share, "peak": 0.5 + 0.4 / share} for task, share in kept.items()}
    run = make_run(trained, results=peaks, alone=alone)
    said = defaultdict(set)
    for finding in (finding for check in CHECKS for finding in check(run)):
        for key, up in directions(finding.advice):
            said[key].add(up)
    assert all(len(ways) == 1 for ways in said.values()), {key for key, ways in said.items() if len(ways) > 1}


def test_advice_is_understood_by_this_test():
    assert directions("`--weight a=3`, or `--learning-rate 0.0001`") == [("weight a", True), ("learning-rate", False)]
    assert directions("`--set model.dropout=0.3`, `--steps 200`") == [("dropout", True), ("steps", False)]
