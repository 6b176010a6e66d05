"""What is said of a comparison's numbers."""

from typing import Any

import pytest

from polytask.comparison.analysis import analyse

COST = {"seconds": 1.0, "steps": 1, "seconds_per_step": 0.1, "parameters": 1, "networks": 1, "forwards": 1.0,
        "backwards": 1.0, "peak_memory": 1}  # fmt: skip


def analysed(values: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Statistics of R2 by method, task and seed."""
    names = list(next(iter(values.values())))
    seeds = range(len(next(iter(values["equal"].values()))))

    def record(method: str, seed: int) -> dict[str, Any]:
        part = {"validation": 0.5, "trivial": 0.0, "kept": 1.0}
        return {"run": "x", "failure": None, "cost": COST,
                "tasks": {name: {**part, "test": values[method][name][seed]} for name in names}}  # fmt: skip

    methods = {
        name: {"keys": {}, "learner": "network", "chosen": {}, "trials": [],
               "seeds": {str(seed): record(name, seed) for seed in seeds}}
        for name in values
    }  # fmt: skip
    tasks = {name: {"kind": "regression", "metric": "r2", "direction": "max"} for name in names}
    config = {"seeds": list(seeds), "trials": 1, "reference": "equal", "test": "t", "level": 0.05}
    setup = {"data": "t.csv", "rows": {}, "tasks": tasks, "methods": methods}
    found: dict[str, Any] = analyse({"format": 1, "config": config, "setups": {"table": setup}})
    return found["setups"]["table"]["statistics"]


def test_delta_m_leaves_out_tasks_in_which_the_baseline_is_near_trivial_in_some_seed() -> None:
    found = analysed({
        "single_task": {"sound": [0.5, 0.8], "lost once": [0.4, 0.001], "lost": [0.01, 0.02]},
        "equal": {"sound": [0.6, 0.8], "lost once": [0.4, 0.4], "lost": [0.3, 0.3]},
    })["delta_m"]  # fmt: skip
    assert found["left_out"] == ["lost once", "lost"]
    assert found["methods"]["equal"]["mean"] == pytest.approx(10.0)  # mean of 20 % and 0 %


def test_delta_m_of_a_baseline_that_learned_nothing_is_not_given() -> None:
    found = analysed({"single_task": {"a": [0.0, 0.0]}, "equal": {"a": [0.5, 0.5]}})["delta_m"]
    assert found["left_out"] == ["a"] and found["methods"] == {}
