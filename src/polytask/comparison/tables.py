"""The tables of a comparison as CSV and Markdown files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..reporting.tables import Table, write_table
from .significance import tally


def write_tables(results: Mapping[str, Any], folder: Path) -> None:
    """Write every table twice, ``NAME.csv`` with full numbers and ``NAME.md`` to be read."""
    for name, table in tables(results).items():
        write_table(folder / name, table)


def tables(results: Mapping[str, Any]) -> dict[str, Table]:
    """``methods``, ``tasks``, ``tests``, ``costs`` and ``runs``, each with a header."""
    setups = results["setups"]
    return {
        "methods": _methods(results),
        "tasks": _tasks(setups),
        "tests": _tests(results),
        "costs": _costs(setups),
        "runs": _runs(setups),
    }


def _methods(results: Mapping[str, Any]) -> Table:
    """One line for each method on each set-up: what a reader looks at first."""
    header = ["setup", "method", "mean skill", "low", "high", "against the reference", "tasks better", "tasks worse",
              "tasks tested", "delta m %", "delta low", "delta high", "delta m without", "mean rank",
              "share of peaks kept", "parameters", "total seconds"]  # fmt: skip
    rows = []
    ranks = results["overall"]["mean_rank"]
    for setup, found in results["setups"].items():
        statistics = found["statistics"]
        deltas = (statistics["delta_m"] or {}).get("methods", {})
        left_out = ", ".join((statistics["delta_m"] or {}).get("left_out", ()))
        tests, counts = statistics["tests"]["skill"], tally(found)
        for method in found["methods"]:
            counted = counts.get(method, {})
            skill, delta, cost = statistics["skill"][method], deltas.get(method, {}), statistics["cost"][method]
            rows.append([
                setup, method, skill["mean"], skill["low"], skill["high"], tests.get(method, {}).get("verdict"),
                *(counted.get(key) for key in ("better", "worse", "tested")),
                delta.get("mean"), delta.get("low"), delta.get("high"), left_out if delta else None, ranks.get(method),
                statistics["kept"][method], cost["parameters"], cost["total_seconds"],
            ])  # fmt: skip
    return header, rows


def _tasks(setups: Mapping[str, Any]) -> Table:
    header = ["setup", "task", "metric", "direction", "trivial", "simple model", "its mean", "method", "mean", "std",
              "seeds"]  # fmt: skip
    rows = [
        [setup, task, entry["metric"], entry["direction"], *_level(found["statistics"]["levels"][task]),
         method, spread["mean"], spread["std"], spread["n"]]
        for setup, found in setups.items()
        for task, entry in found["tasks"].items()
        for method in found["methods"]
        for spread in [found["statistics"]["tasks"][method][task]]
    ]  # fmt: skip
    return header, rows


def _level(level: Mapping[str, Any]) -> list[Any]:
    simple = level["simple"] or {}
    return [level["trivial"], simple.get("method"), simple.get("mean")]


def _tests(results: Mapping[str, Any]) -> Table:
    header = ["setup", "task", "method", "reference", "difference (plus is better)", "pairs", "p", "smallest p",
              "p after Holm", "verdict"]  # fmt: skip
    overall = results["overall"]["tests"]
    tested = [
        (setup, task, found["statistics"]["tests"]["reference"], by_method)
        for setup, found in results["setups"].items()
        for tests in [found["statistics"]["tests"]]
        for task, by_method in {**tests["tasks"], "mean skill": tests["skill"]}.items()
    ]
    tested.append(("all set-ups", "mean skill", overall["reference"], overall["skill"]))
    rows = [
        [setup, task, method, reference, *(test[key] for key in ("difference", "pairs", "p", "smallest_p", "p_holm")),
         test["verdict"]]
        for setup, task, reference, by_method in tested
        for method, test in by_method.items()
    ]  # fmt: skip
    return header, rows


def _costs(setups: Mapping[str, Any]) -> Table:
    keys = ("forwards", "backwards", "seconds_per_step", "seconds", "tuning_seconds", "total_seconds", "peak_memory",
            "parameters", "networks", "trials", "failed")  # fmt: skip
    header = ["setup", "method", "time per step relative to equal", *(key.replace("_", " ") for key in keys)]
    rows = []
    for setup, found in setups.items():
        costs = found["statistics"]["cost"]
        equal = costs.get("equal", {}).get("seconds_per_step")
        for method, cost in costs.items():
            own = cost["seconds_per_step"]
            rows.append([setup, method, own / equal if own and equal else None, *(cost[key] for key in keys)])
    return header, rows


def _runs(setups: Mapping[str, Any]) -> Table:
    header = ["setup", "method", "what", "settings", "folder", "failure"]
    rows: list[list[Any]] = []
    for setup, found in setups.items():
        for method, entry in found["methods"].items():
            for number, trial in enumerate(entry["trials"], 1):
                rows.append(
                    [setup, method, f"trial {number}", _settings(trial["settings"]), trial["run"], trial["failure"]]
                )
            for seed, run in entry["seeds"].items():
                rows.append([setup, method, f"seed {seed}", _settings(entry["chosen"]), run["run"], run["failure"]])
    return header, rows


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
                     for key, value in settings.items()) or "as given"  # fmt: skip
