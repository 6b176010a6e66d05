"""A whole comparison of methods that are equal finds a difference at most as often as its level says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polytask.comparison.analysis import analyse
from polytask.comparison.significance import tally

COST = dict.fromkeys(("seconds", "steps", "seconds_per_step", "parameters", "networks", "forwards", "backwards"), 1.0)


def compared(
    seeds: int, setups: int, seed: int, effect: float = 0.0, tasks: int = 4, methods: int = 3, shared: float = 1.0
) -> dict[str, Any]:
    """Noise that the tasks of a seed share, noise of each, and an effect of the last method."""
    draw = np.random.default_rng(seed)
    names = ["equal", *(f"m{number}" for number in range(1, methods))]

    def record(method: str, common: float) -> dict[str, Any]:
        value = 0.5 + 0.01 * shared * common + 0.003 * draw.normal(size=tasks) + effect * (method == names[-1])
        entries = {f"t{i}": {"validation": v, "test": v, "trivial": 0.0, "kept": 1.0} for i, v in enumerate(value)}
        return {"run": "x", "failure": None, "cost": COST | {"peak_memory": 1}, "tasks": entries}

    def entry(method: str) -> dict[str, Any]:
        found = {str(number): record(method, draw.normal()) for number in range(seeds)}
        return {"keys": {}, "learner": "network", "chosen": {}, "trials": [], "seeds": found}

    task = {"kind": "regression", "metric": "r2", "direction": "max"}
    made = {
        f"s{number}": {"tasks": {f"t{i}": task for i in range(tasks)}, "methods": {name: entry(name) for name in names}}
        for number in range(setups)
    }
    config = {"seeds": list(range(seeds)), "reference": "equal", "test": "permutation", "level": 0.05}
    return analyse({"config": config, "setups": made})


def verdicts(results: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"skill": [], "tasks": [], "overall": []}
    for setup in results["setups"].values():
        tests = setup["statistics"]["tests"]
        found["skill"] += [entry["verdict"] for entry in tests["skill"].values()]
        found["tasks"] += [entry["verdict"] for methods in tests["tasks"].values() for entry in methods.values()]
    found["overall"] += [entry["verdict"] for entry in results["overall"]["tests"]["skill"].values()]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "setups"), [(2, 1), (5, 1), (8, 1), (8, 2), (3, 7)])
def test_methods_that_are_equal(seeds: int, setups: int) -> None:
    """Over everything that is tested together, though tasks of one seed go up and down together."""
    rounds = 60
    false, apart = dict.fromkeys(("skill", "tasks", "overall"), 0), 0
    for seed in range(rounds):
        results = compared(seeds, setups, seed)
        for question, found in verdicts(results).items():
            false[question] += any(verdict in ("better", "worse") for verdict in found)
        groups = results["overall"]["cliques"]
        apart += not any(len(group) == 3 for group in groups)
    most = rounds * (0.05 + 3 * (0.05 * 0.95 / rounds) ** 0.5)
    assert max(false.values()) <= most and apart <= most


def test_a_planted_difference_is_found_in_every_task_and_over_set_ups() -> None:
    results = compared(10, 7, 0, effect=0.1, tasks=3, shared=0.1)
    found = results["overall"]["tests"]["skill"]
    assert found["m2"]["verdict"] == "better" and found["m1"]["verdict"] == "no significant difference"
    assert found["m2"]["pairs"] == 7 and found["m2"]["p"] == found["m2"]["smallest_p"] == 2 / 2**7
    assert results["overall"]["unit"] == "set-up" and results["overall"]["blocks"] == 7


def test_tasks_are_counted_only_beyond_chance() -> None:
    strong = tally(compared(12, 1, 0, effect=0.1, tasks=3, shared=0.1)["setups"]["s0"])
    assert strong == {"m1": {"better": 0, "worse": 0, "tested": 3}, "m2": {"better": 3, "worse": 0, "tested": 3}}
    few = compared(2, 1, 0, effect=0.1, tasks=3, shared=0.0)["setups"]["s0"]
    assert tally(few)["m2"] == {"better": 0, "worse": 0, "tested": 3}
    assert (
        min(entry["p"] for methods in few["statistics"]["tests"]["tasks"].values() for entry in methods.values()) >= 0.5
    )


def test_all_tasks_methods_and_set_ups_are_corrected_together() -> None:
    results = compared(8, 2, 0, effect=0.1)
    entry = results["setups"]["s0"]["statistics"]["tests"]["tasks"]["t0"]["m2"]
    assert entry["p"] == 2 / 2**8 and entry["p_holm"] >= entry["p"] * 9  # 2 methods x 4 tasks x 2 set-ups, 8 found
    assert results["setups"]["s0"]["statistics"]["levels"]["t0"] == {"trivial": 0.0, "simple": None}
