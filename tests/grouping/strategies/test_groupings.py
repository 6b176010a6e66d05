"""Every grouping strategy keeps to the same interface."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from planted import planted
from polytask.errors import UserError
from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.strategies import GROUPINGS, Context, Joint
from polytask.grouping.strategies.random_groups import draw_networks

TASKS = ("a", "b", "c", "d")


def train(tasks: tuple[str, ...]) -> dict[str, float]:
    """Made up: a and b help each other, c and d too, and strangers hurt."""
    friends = {"a": "b", "b": "a", "c": "d", "d": "c"}
    return {
        task: 0.5 + 0.2 * (friends[task] in tasks) - 0.1 * (len(set(tasks) - {task, friends[task]})) for task in tasks
    }


@cache
def small_joint() -> Joint:
    """A network that has learned a little: a and b have the same rule, c and d another."""
    return planted(TASKS, 2)


def context(budgets=(2,), **changes) -> Context:
    matrix = np.kron(np.eye(2), np.ones((2, 2))) - 0.5
    maps = np.kron(np.eye(2), np.ones((2, 2))) + 0.1 * np.eye(4)
    fields = {"affinity": Affinity(TASKS, matrix), "train": train, "groups": (("a", "c"), ("b", "c", "d")),
              "data_maps": maps, "joint": small_joint()}  # fmt: skip
    return Context(TASKS, budgets, **(fields | changes))


@pytest.mark.parametrize("name", GROUPINGS)
def test_every_task_is_served_within_the_budget(name):
    for selection in GROUPINGS[name].propose(context(budgets=(1, 2, 3))):
        assert set(selection.serves) == set(TASKS)
        assert set(selection.serves.values()) == set(range(len(selection.networks)))
        assert all(task in selection.networks[k] for task, k in selection.serves.items())


@pytest.mark.parametrize("name", ["tag", "hoa", "exhaustive", "stg", "grad_tag"])
def test_friends_are_found(name):
    (selection,) = GROUPINGS[name].propose(context())
    assert selection.networks == (("a", "b"), ("c", "d"))


@pytest.mark.parametrize("name", [name for name, grouping in GROUPINGS.items() if grouping.needs])
def test_what_is_needed_is_missed(name):
    need = GROUPINGS[name].needs[0]
    with pytest.raises(UserError, match=r"found none|give the tasks"):
        GROUPINGS[name].propose(context(**{need: () if need == "groups" else None}))


def test_higher_order_and_exhaustive_train_what_they_say():
    asked = []

    def counted(tasks):
        asked.append(tasks)
        return train(tasks)

    GROUPINGS["hoa"].propose(context(train=counted))
    assert len(asked) == len(set(asked)) == 4 + 6
    asked.clear()
    GROUPINGS["hoa"].propose(context(train=counted, known={(task,): train((task,)) for task in TASKS}))
    assert len(asked) == 6
    asked.clear()
    GROUPINGS["exhaustive"].propose(context(train=counted))
    assert len(asked) == len(set(asked)) == 15


def test_random_networks_differ_by_seed_and_not_by_call():
    one, other = (GROUPINGS["random"].propose(context(seed=seed))[0] for seed in (1, 2))
    assert one == GROUPINGS["random"].propose(context(seed=1))[0] != other
    rng = np.random.default_rng(0)
    for _ in range(50):
        networks = draw_networks(TASKS, 3, rng, max_size=3)
        assert len(set(networks)) == 3 and set().union(*networks) == set(TASKS)
        assert all(2 <= len(network) <= 3 for network in networks)
    with pytest.raises(UserError, match="no 2 random networks"):
        draw_networks(TASKS, 2, rng, max_size=1)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([["a", "b"]], "no network for c, d"),
        ([["a", "b", "c", "e"], ["d"]], "'e' is not a task"),
        ([[], ["a", "b", "c", "d"]], "found an empty one"),
    ],
)
def test_wrong_groups(groups, words):
    with pytest.raises(UserError, match=words):
        GROUPINGS["given"].propose(context(groups=groups))


def test_too_many_tasks_for_all_networks():
    names = tuple("abcdefghi")
    with pytest.raises(UserError, match="511 for 9 tasks"):
        GROUPINGS["exhaustive"].propose(Context(names, (2,), train=lambda tasks: dict.fromkeys(tasks, 0.0)))
