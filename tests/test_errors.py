"""Errors show every problem and the near miss."""

import pytest

from polytask.errors import UserError, did_you_mean, raise_all


def test_one_problem_is_the_message():
    assert str(UserError("a is wrong")) == "a is wrong"


def test_several_problems_are_numbered():
    assert str(UserError("a", "b")).splitlines() == ["2 problems:", "  1. a", "  2. b"]


def test_an_error_without_a_problem_is_a_programming_mistake():
    with pytest.raises(TypeError):
        UserError()


def test_raise_all_raises_only_if_there_is_a_problem():
    raise_all([])
    with pytest.raises(UserError) as error:
        raise_all(["a", "b"])
    assert error.value.problems == ("a", "b")


def test_a_near_miss_is_suggested():
    assert did_you_mean("bach_size", ["batch_size", "epochs"]) == "did you mean 'batch_size'?"


def test_without_a_near_miss_the_known_names_are_listed_up_to_twenty():
    assert did_you_mean("zzz", iter(["a", "b"])) == "known: a, b"
    shown = did_you_mean("zzz", [f"name{number}" for number in range(21)])
    assert shown.endswith("name19, ...")
