"""Which methods differ by more than chance from the reference: tests over seeds, and over several set-ups.

Everything that is tested for one question is corrected together (Holm): mean skill over all methods and set-ups, single
tasks over all methods, tasks and set-ups.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .statistics import holm, paired_tests, pairs_needed, smallest_p

Entry = dict[str, Any]


def against(names: Sequence[str], values: Sequence[np.ndarray], reference: np.ndarray, test: str) -> dict[str, Entry]:
    """Difference, pairs and p-value of every method against the reference; :func:`correct` gives the verdicts.

    Args:
        names: Names of the methods.
        values: ``[n]`` of each, higher is better; NaN where a run failed.
        reference: ``[n]`` of the reference.
        test: See :func:`~polytask.comparison.statistics.paired.paired_p_values`.
    """
    found = paired_tests(np.array(values), reference, test=test)  # type: ignore[arg-type]
    return {
        name: {
            "difference": _json(one.difference),
            "pairs": one.pairs,
            "p": _json(one.p),
            "smallest_p": one.smallest_p,
        }
        for name, one in zip(names, found, strict=True)
    }


def correct(entries: Sequence[Entry], level: float) -> None:
    """Add ``p_holm`` and ``verdict`` to everything that was tested together.

    The verdict is ``better``, ``worse``, ``no significant difference``, or ``not tested`` with fewer than two pairs.

    Example:
        >>> entries = [{"difference": 0.1, "p": 0.01}, {"difference": -0.1, "p": 0.02}, {"difference": 0.1, "p": None}]
        >>> correct(entries, 0.05)
        >>> [entry["verdict"] for entry in entries]
        ['better', 'worse', 'not tested']
    """
    p = [math.nan if entry["p"] is None else entry["p"] for entry in entries]
    for entry, corrected in zip(entries, holm(p), strict=True):
        entry["p_holm"] = _json(corrected)
        entry["verdict"] = _verdict(entry, level)


def correct_all(setups: Mapping[str, Any], level: float) -> None:
    """Correct the tests of all set-ups: mean skill, and single tasks."""
    tests = [setup["statistics"]["tests"] for setup in setups.values()]
    skills = [entry for found in tests for entry in found["skill"].values()]
    correct(skills, level)
    for found in tests:
        found["tested_together"] = sum(entry["p"] is not None for entry in skills)
    correct([entry for found in tests for by_method in found["tasks"].values() for entry in by_method.values()], level)


def over_setups(setups: Mapping[str, Any], config: Mapping[str, Any]) -> Entry:
    """Every method against the reference with a set-up as the unit: its seeds share data and are one observation."""
    reference = config["reference"]
    shared = set.intersection(*(set(setup["methods"]) for setup in setups.values()))
    names = [name for name in next(iter(setups.values()))["methods"] if name in shared and name != reference]
    if len(setups) < 2 or reference not in shared or not names:
        return {"reference": reference, "unit": "set-up", "skill": {}}
    differences = [[_difference(setup, name) for setup in setups.values()] for name in names]
    skill = against(names, [np.array(row) for row in differences], np.zeros(len(setups)), config["test"])
    correct(list(skill.values()), config["level"])
    return {"reference": reference, "unit": "set-up", "skill": skill}


def _difference(setup: Mapping[str, Any], method: str) -> float:
    """Mean difference of the mean skill over the seeds of a set-up."""
    found = setup["statistics"]["tests"]["skill"][method]["difference"]
    return math.nan if found is None else found


def tally(setup: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Tasks in which each method is better or worse than the reference beyond chance, of those tested."""
    found: dict[str, dict[str, int]] = {}
    for by_method in setup["statistics"]["tests"]["tasks"].values():
        for method, entry in by_method.items():
            counts = found.setdefault(method, {"better": 0, "worse": 0, "tested": 0})
            counts["tested"] += entry["verdict"] != "not tested"
            if entry["verdict"] in ("better", "worse"):
                counts[entry["verdict"]] += 1
    return found


def notes(setup: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """What the numbers of one set-up do not show, in sentences: what tests can find, and what delta m leaves out."""
    tests = setup["statistics"]["tests"]
    pairs = max((entry["pairs"] for entry in tests["skill"].values()), default=0)
    found = list(reach(pairs, tests["tested_together"], config))
    delta = setup["statistics"]["delta_m"] or {}
    if delta.get("left_out"):
        found.append(
            f"delta m is over {len(setup['tasks']) - len(delta['left_out'])} of {len(setup['tasks'])} tasks: without "
            f"{', '.join(delta['left_out'])}, in which {delta['baseline']} is hardly better than a constant"
        )
    return found


def reach(pairs: int, tests: int, config: Mapping[str, Any], unit: str = "seed") -> Iterator[str]:
    """What this many seeds can show at best, in a sentence; nothing if they can show a difference.

    Example:
        >>> list(reach(2, 3, {"test": "permutation", "level": 0.05}))[0][:66]
        'with 2 seeds no p-value is below 0.5, and after correction for 3 t'
    """
    least = smallest_p(pairs, config["test"])
    if least * tests > config["level"] and tests:
        more = pairs_needed(tests, config["level"], config["test"])
        yield (
            f"with {pairs} {unit}s no p-value is below {least:.2g}, and after correction for {tests} tests none can be "
            f"significant at {config['level']:g}; {more} {unit}s could show a difference if all of them agree on it"
        )


def _verdict(entry: Entry, level: float) -> str:
    if entry["p_holm"] is None:
        return "not tested"
    if entry["p_holm"] > level:
        return "no significant difference"
    return "better" if entry["difference"] > 0 else "worse"


def _json(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
