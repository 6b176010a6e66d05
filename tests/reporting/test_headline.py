"""The top of the page: three numbers and one sentence, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polytask.records.run import Run
from polytask.reporting.headline import headline
from polytask.reporting.outcome import rows


def result(value: float | None, half: float = 0.05) -> dict[str, Any]:
    interval = None if value is None else [value - half, value + half]
    return {
        "kind": "binary",
        "metric": "roc_auc",
        "direction": "max",
        "test": value,
        "interval": interval,
        "network": 0,
    }


def run(values: dict[str, float | None], linear: dict[str, tuple[float, list[float]]] | None = None) -> Run:
    """A run on 200 test rows; linear models with the interval of the gain over them."""
    baselines = {name: {"test": test, "gain_interval": gain} for name, (test, gain) in (linear or {}).items()}
    totals = {"rows": {"test": 200}, "trivial": dict.fromkeys(values, 0.5)}
    tasks = {name: result(value) for name, value in values.items()}
    return Run(Path(), results={"tasks": tasks, "baselines": {"linear": baselines}, "totals": totals})


def test_many_targets_are_counted_beyond_chance() -> None:
    found = run(
        {"a": 0.9, "b": 0.7, "c": 0.52, "d": None},
        {"a": (0.8, [0.01, 0.2]), "b": (0.72, [-0.1, 0.06]), "c": (0.9, [-0.5, -0.2]), "d": (0.6, [0.0, 0.0])},
    )
    top = headline(found, rows(found))
    assert top is not None
    assert [value for value, _ in top.numbers] == ["2 of 4", "41\N{NO-BREAK SPACE}%", "1 better, 1 worse"]
    assert top.sentence == (
        "On 200 test rows, 2 of 4 targets beat a constant prediction, beyond chance; against "
        "linear models, 1 better, 1 worse, 1 without a difference beyond chance."
    )


def test_one_target_has_its_own_numbers() -> None:
    found = run({"a": 0.9}, {"a": (0.88, [-0.01, 0.05])})
    top = headline(found, rows(found))
    assert top is not None
    assert [value for value, _ in top.numbers] == ["0.900 ±0.050", "0.500", "0.880"]
    assert top.sentence.endswith("linear models 0.880: beyond chance there is no difference.")


def test_nothing_to_compare_with_is_reported_and_an_unfinished_run_has_no_headline() -> None:
    alone = Run(Path(), results={"tasks": {"a": result(0.9), "b": result(0.8)}})
    top = headline(alone, rows(alone))
    assert top is not None and top.sentence == "No linear model was trained as a baseline."
    assert headline(Run(Path()), []) is None
