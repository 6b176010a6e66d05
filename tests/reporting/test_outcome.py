"""Better, equal, worse: the numbers of the summary against ones worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from polytask.records.run import Run
from polytask.reporting.networks import NetworkTasks, groups, networks
from polytask.reporting.outcome import Row, rows, tallies
from polytask.reporting.summary import chosen_networks, compared
from polytask.task.gain import gain


def run(tasks: dict[str, tuple[str, float | None, float | None]], **totals: object) -> Run:
    """A run with ``{task: (direction, ours, single-task)}`` on the test split."""
    results = {
        "tasks": {
            name: {"kind": "binary", "metric": "m", "direction": direction, "test": ours, "network": 0}
            for name, (direction, ours, _) in tasks.items()
        },
        "baselines": {"single_task": {name: {"test": single} for name, (_, _, single) in tasks.items()}},
        "totals": totals,
    }
    return Run(Path(), results=results)


MIXED = {
    "more is better": ("max", 0.90, 0.80),
    "less is better": ("min", 1.00, 2.00),
    "lost": ("max", 0.45, 0.50),
    "lost too": ("min", 3.0, 2.0),
    "same": ("max", 0.80, 0.8005),
    "undefined": ("max", None, 0.5),
}


def test_counts_and_mean_relative_difference() -> None:
    [tally] = tallies(rows(run(MIXED)))
    assert (tally.better, tally.equal, tally.worse, tally.compared) == (2, 1, 2, 5)
    assert tally.mean_relative == pytest.approx((0.125 + 0.5 - 0.1 - 0.5 - 0.0005 / 0.8005) / 5)


def test_the_summary_states_what_was_counted() -> None:
    mixed = run(MIXED, seconds=200)
    assert chosen_networks(mixed, rows(mixed), networks(mixed)) == [
        "All 6 tasks share one network.",
        "Everything, baselines included, took 3 min 20 s.",
    ]
    assert compared(rows(mixed), single=True) == [
        "On test rows our network is better than single-task models in 2 of the 5 comparable tasks, "
        "level in 1 and worse in 2 (mean relative difference +0.5\N{NO-BREAK SPACE}%).",
    ]


def test_a_mean_states_over_how_many_tasks_it_is() -> None:
    mixed = run(MIXED, trivial={"more is better": 0.8})  # the other is no better than a constant there
    assert tallies(rows(mixed))[0].left_out == 1
    assert "(mean relative difference over 4 of them " in compared(rows(mixed), single=True)[0]


def test_a_loss_keeps_its_sign() -> None:
    lost = run({"a": ("max", 0.5, 1.0)})
    assert "worse in 1 (mean relative difference −50.0" in compared(rows(lost), single=True)[0]  # noqa: RUF001


@pytest.mark.parametrize(("direction", "verdict"), [("max", "better"), ("min", "worse")])
def test_plus_means_ours_is_better(direction: str, verdict: str) -> None:
    compared = gain(2.0, 1.0, direction)
    assert compared is not None
    assert compared.verdict == verdict
    assert (compared.difference > 0) == (verdict == "better")


def test_against_zero_there_is_no_relative_difference() -> None:
    compared = gain(0.1, 0.0, "max")
    assert compared is not None
    assert compared.relative is None
    assert compared.verdict == "better"


def test_all_numbers_of_a_task_have_the_same_decimals() -> None:
    row: Row = rows(run({"a": ("min", 12.5, 130.0)}))[0]
    assert row.decimals == 1


def test_names_are_listed_while_they_fit_a_sentence() -> None:
    few = run(dict.fromkeys("abc", ("max", 1.0, 1.0)))
    chosen = [NetworkTasks(0, ["a", "b"], []), NetworkTasks(1, ["c"], [])]
    assert (
        chosen_networks(few, rows(few), chosen)[0]
        == "The 3 tasks were trained in 2 networks: a and b together; c alone."
    )
    many = run({f"task_with_a_long_name_{number}": ("max", 1.0, 1.0) for number in range(20)})
    chosen = [NetworkTasks(0, list(many.tasks[:12]), []), NetworkTasks(1, list(many.tasks[12:]), [many.tasks[0]])]
    assert chosen_networks(many, rows(many), chosen)[0] == (
        "The 20 tasks were trained in 2 networks, of 12 and 9 tasks (drawn below)."
    )


def test_groups_hold_every_task_once() -> None:
    chosen = [NetworkTasks(0, ["b"], ["a"]), NetworkTasks(1, ["c"], [])]
    assert groups(chosen, ["a", "b", "c", "d"]) == [["b"], ["c"], ["a", "d"]]
