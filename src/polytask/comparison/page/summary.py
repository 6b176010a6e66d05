"""What a reader should take away from a comparison, in a few sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...display.text import listed
from ...reporting.numbers import shown
from ..significance import tally

#: How each verdict of the tests reads.
VERDICTS = {
    "better": "Significantly better than",
    "worse": "Significantly worse than",
    "no significant difference": "No significant difference to",
    "not tested": "Too few runs to be tested against",
}


def summary(name: str, setup: Mapping[str, Any]) -> list[str]:
    """Sentences about one set-up: which method is best, which differ from the reference, what is gained."""
    statistics = setup["statistics"]
    skills = {m: s["mean"] for m, s in statistics["skill"].items() if s["mean"] is not None}
    if not skills:
        return [f"On {name} no run was successful."]
    best = max(skills, key=lambda method: skills[method])
    tests, reference = statistics["tests"]["skill"], statistics["tests"]["reference"]
    sentences = [f"On {name} the highest mean skill is that of {best}, {shown(skills[best])}."]
    for verdict, said in VERDICTS.items():
        methods = [method for method, test in tests.items() if test["verdict"] == verdict]
        if methods:
            sentences.append(f"{said} {reference}: {listed(methods)}.")
    sentences += _tasks(setup, reference)
    failed = {m: cost["failed"] for m, cost in statistics["cost"].items() if cost["failed"]}
    if failed:
        sentences.append(f"Failed runs: {listed([f'{m} {count}' for m, count in failed.items()])}.")
    return sentences


def _tasks(setup: Mapping[str, Any], reference: str) -> list[str]:
    """In how many tasks a method differs beyond chance; nothing of those that differ in none."""
    found = [
        f"{method} is better than {reference} in {counts['better']} and worse in {counts['worse']} of "
        f"{counts['tested']} tasks"
        for method, counts in tally(setup).items()
        if counts["better"] or counts["worse"]
    ]
    return [f"Beyond chance, {'; '.join(found)}."] if found else []
