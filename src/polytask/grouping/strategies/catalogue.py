"""The ways to group tasks, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...task import KINDS
from ..selection import Selection
from .all_in_one import all_in_one
from .by_affinity import by_affinity
from .context import Context
from .exhaustive import exhaustive
from .given import given
from .grad_tag import grad_tag
from .higher_order import higher_order
from .one_per_task import one_per_task
from .random_groups import random_groups
from .stg import stg

Need = Literal["affinity", "train", "groups", "joint", "data_maps"]
CLASSES = tuple(name for name, kind in KINDS.items() if kind.logits)


@dataclass(frozen=True)
class Grouping:
    """A way to group tasks.

    Attributes:
        name: how the user calls it.
        about: one line.
        needs: the fields of the context that it cannot do without.
        propose: one selection for every budget of a context (for some methods the budget has no effect: one in all).
        heeds: the constraints that it keeps to.
        chooses: whether the budget has an effect.
        estimator: what the affinity has to be; None: what the user sets.
        kinds: the only kinds of tasks that it can do; none: any.
        trainings: from the number of tasks, the budgets and the number of single-task models that there are already,
            how many networks it trains at most before it chooses.
    """

    name: str
    about: str
    needs: tuple[Need, ...]
    propose: Callable[[Context], list[Selection]]
    heeds: tuple[str, ...] = ()
    chooses: bool = True
    estimator: str | None = None
    kinds: tuple[str, ...] = ()
    trainings: Callable[[int, Sequence[int], int], int] = lambda tasks, budgets, alone: 0


WISHES = ("max_size", "together", "apart")

GROUPINGS = {
    grouping.name: grouping
    for grouping in (
        Grouping(
            "tag", "affinity: the effect of an update on one task on the others", ("affinity",), by_affinity, WISHES
        ),
        Grouping("cosine", "cosine of the tasks' gradients", ("affinity",), by_affinity, WISHES, estimator="cosine"),
        Grouping(
            "hoa",
            "trains all pairs and predicts larger networks from them",
            ("train",),
            higher_order,
            WISHES,
            trainings=lambda tasks, budgets, alone: tasks * (tasks + 1) // 2 - alone,
        ),
        Grouping(
            "grad_tag",
            "estimates networks for random sets of tasks from the gradients of one; classification",
            ("joint",),
            grad_tag,
            WISHES,
            kinds=CLASSES,
        ),
        Grouping(
            "stg",
            "clusters tasks by the history of their samples' predictions; classification",
            ("data_maps",),
            stg,
            kinds=CLASSES,
        ),
        Grouping(
            "exhaustive",
            "trains all networks, for at most 8 tasks",
            ("train",),
            exhaustive,
            ("max_size",),
            trainings=lambda tasks, budgets, alone: 2**tasks - 1 - alone,
        ),
        Grouping(
            "random",
            "random networks",
            (),
            random_groups,
            ("max_size",),
            trainings=lambda tasks, budgets, alone: sum(budget for budget in budgets if budget > 1),
        ),
        Grouping("given", "the groups that you give", ("groups",), given, chooses=False),
        Grouping("all_in_one", "one network for all", (), all_in_one, chooses=False),
        Grouping("one_per_task", "a network for each task", (), one_per_task, chooses=False),
    )
}
