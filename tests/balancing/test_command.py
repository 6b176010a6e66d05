"""``polytask methods`` and the key ``balance`` of a run."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

import polytask as pt
from polytask.balancing import BALANCERS, UPGrad
from polytask.cli import app
from polytask.runs.trainer import make_balancer
from small_table import polytask


def test_all_methods_are_listed() -> None:
    result = CliRunner().invoke(app, ["methods"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert all(name in result.output for name in BALANCERS)


@pytest.mark.parametrize("name", BALANCERS)
def test_one_method_in_full(name: str) -> None:
    result = polytask("methods", name)
    assert result.exit_code == 0 and f"# {name}" in result.output and "When to choose it" in result.output
    assert "@" in polytask("methods", name, "--cite").output


def test_unknown_method_suggests_a_known_one() -> None:
    result = polytask("methods", "upgrade")
    assert result.exit_code == 2 and "upgrad" in result.stderr


def test_options_of_a_method_from_the_configuration() -> None:
    balancer = make_balancer({"name": "upgrad", "gradients": "representation", "every": 4})
    assert isinstance(balancer, UPGrad) and balancer.needs.gradients == "representation" and balancer.every == 4


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"name": "upgrad", "gradients": "reprsentation"}, "did you mean 'representation'"),
        ({"name": "upgrad", "every": 0}, "every from 1"),
        ({"name": "gradnorm", "l0": "logC"}, "needs classes"),
        ({"name": "gradnorm", "l0": "last"}, "l0='last' is not known"),
        ({"name": "stch", "form": "book"}, "form='book' is not known"),
        ({"name": "dtp", "alpha": 2.0}, "alpha from"),
        ({"name": "cagrad", "c": -1.0}, "c from 0"),
        ({"name": "dwa", "temprature": 1.0}, "temprature"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], what: str) -> None:
    with pytest.raises(pt.UserError, match=what):
        make_balancer(options)


def test_options_for_tasks_that_do_not_exist_are_refused() -> None:
    for options in (
        {"name": "uw", "classification": ["z"]},
        {"name": "stch", "ideal": {"z": 1.0}},
        {"name": "gradnorm", "l0": {"z": 1.0}},
        {"name": "static", "values": {"z": 1.0}},
    ):
        with pytest.raises(pt.UserError, match="'z' is not a task"):
            make_balancer(options).bind(["a", "b"])
