"""What can be wrong with a constraint for networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import did_you_mean, raise_all
from ..affinity_matrix import Affinity
from .budget import Prices
from .served import Served

Cost = Mapping[int, float] | Callable[[int], float]


@dataclass(frozen=True)
class Constraints:
    """What networks are to be like; see :func:`~polytask.grouping.selection.select_networks`."""

    single_score: float | Mapping[str, float] | None = None
    max_size: int | None = None
    together: Sequence[Sequence[str]] = ()
    apart: Sequence[Sequence[str]] = ()
    cost: Cost | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """A choice of networks, checked.

    Attributes:
        tasks: names of the K tasks.
        served: the values of networks.
        by_size: shape [K + 1], the cost of a network of each size; inf where there is none.
        exponent: the affinities in ``served`` are those given, divided by this power of two: sums of any numbers stay
            in range, and nothing is rounded.
    """

    tasks: tuple[str, ...]
    served: Served
    by_size: np.ndarray
    exponent: int = 0

    @property
    def prices(self) -> Prices:
        """The prices that networks may have."""
        return Prices.of(self.by_size)


def checked(
    affinity: Affinity, constraints: Constraints, networks: Any, budget: Any, seconds: Any, name: str = "networks"
) -> Problem:
    """The problem that the constraints pose; ``name`` is that of the number of networks in errors.

    Raises:
        UserError: everything that is wrong with them, at once.
    """
    tasks, single = affinity.tasks, constraints.single_score
    problems = [] if len(tasks) > 1 else [f"affinity: a choice needs at least two tasks, found only {tasks[0]!r}"]
    problems += _number_problems(networks, budget, constraints.cost, name)
    scores = list(single.values()) if isinstance(single, Mapping) else [] if single is None else [single]
    if isinstance(single, Mapping) and set(single) != set(tasks):
        problems.append(f"single_score: expected one score for each of {', '.join(tasks)}, found {', '.join(single)}")
    if not all(_is_number(score) and math.isfinite(score) for score in scores):
        problems.append(f"single_score: expected a finite number, the score of a task alone, found {single!r}")
    if seconds is not None and not (_is_number(seconds) and seconds > 0):
        problems.append(f"seconds: expected a number above 0, found {seconds!r}")
    problems += _size_problems(len(tasks), networks, single, constraints.max_size)
    for key in ("together", "apart"):
        problems += _group_problems(tasks, key, getattr(constraints, key))
    raise_all(problems)
    blocks, apart = _blocks(tasks, constraints.together), _apart(tasks, constraints.apart)
    by_size, wrong = _costs(len(tasks), constraints.cost)
    raise_all([*wrong, *_conflicts(tasks, blocks, apart, constraints.max_size)])
    alone = np.array([single[task] for task in tasks], float) if isinstance(single, Mapping) else single
    exponent = _exponent(affinity.gains, scores)
    scaled = None if alone is None else np.ldexp(alone, -exponent)
    served = Served(np.ldexp(affinity.gains, -exponent), scaled, constraints.max_size, apart, blocks)
    by_size[served.limit + 1 :] = np.inf
    if not np.isfinite(served.alone).any():
        by_size[1] = np.inf
    return Problem(tasks, served, by_size, exponent)


def _exponent(gains: np.ndarray, scores: Sequence[float]) -> int:
    """The power of two that brings the largest number to between 0.5 and 1."""
    return math.frexp(max([float(np.abs(gains).max()), *(abs(score) for score in scores)]))[1]


def _number_problems(networks: Any, budget: Any, cost: Any, name: str) -> Iterator[str]:
    if (budget is None or networks is not None) and not _is_count(networks):
        yield f"{name}: expected a whole number of networks, at least 1, found {networks!r}"
    if budget is not None and not (_is_number(budget) and 0 < budget < math.inf):
        yield f"budget: expected a number above 0, the total cost of the networks, found {budget!r}"
    if cost is not None and budget is None:
        yield "cost: has an effect only with a budget, the total cost of the networks; give one"


def _size_problems(count: int, networks: Any, single: Any, max_size: Any) -> Iterator[str]:
    if max_size is None:
        return
    smallest = 2 if single is None and count > 1 else 1
    if not _is_count(max_size) or max_size < smallest:
        why = "; networks of one task need a single_score" if smallest == 2 else ""
        yield f"max_size: expected a whole number of tasks, at least {smallest}{why}, found {max_size!r}"
    elif _is_count(networks) and networks * max_size < count:
        yield (
            f"max_size: {networks} networks of at most {max_size} tasks cannot serve {count} tasks; allow "
            f"{math.ceil(count / max_size)} networks, or {math.ceil(count / networks)} tasks in each"
        )


def _group_problems(tasks: tuple[str, ...], key: str, asked: Any) -> Iterator[str]:
    if isinstance(asked, str) or not isinstance(asked, Sequence):
        yield f"{key}: expected groups of task names, such as [['a', 'b']], found {asked!r}"
        return
    for group in asked:
        if isinstance(group, str) or not isinstance(group, Sequence) or len(set(group)) < 2:
            yield f"{key}: expected at least two different tasks in a group, found {group!r}"
            continue
        for unknown in [name for name in group if name not in tasks]:
            yield f"{key}: {unknown!r} is not a task; {did_you_mean(str(unknown), tasks)}"


def _conflicts(
    tasks: tuple[str, ...], blocks: np.ndarray | None, apart: np.ndarray | None, max_size: int | None
) -> Iterator[str]:
    for block in [] if blocks is None else blocks:
        names = [task for task, inside in zip(tasks, block, strict=True) if inside]
        if max_size is not None and len(names) > max_size:
            yield f"together: {', '.join(names)} are {len(names)} tasks, but max_size is {max_size}; raise it"
        if apart is not None:
            for one, other in np.argwhere(np.triu(apart) & block & block[:, None]).tolist():
                yield (
                    f"together and apart: {tasks[one]!r} and {tasks[other]!r} must be and must not be in one network; "
                    "drop one of the two constraints"
                )


def _blocks(tasks: tuple[str, ...], together: Sequence[Sequence[str]]) -> np.ndarray | None:
    """Shape [n, K], bool: the tasks divided into blocks; groups that share a task are one block."""
    if not together:
        return None
    block = {task: {task} for task in tasks}
    for group in together:
        merged = set().union(*(block[task] for task in group))
        block |= dict.fromkeys(merged, merged)
    distinct = dict.fromkeys(tuple(task for task in tasks if task in block[first]) for first in tasks)
    return np.array([[task in names for task in tasks] for names in distinct])


def _apart(tasks: tuple[str, ...], groups: Sequence[Sequence[str]]) -> np.ndarray | None:
    """Shape [K, K], bool: all pairs of each group."""
    if not groups:
        return None
    apart = np.zeros((len(tasks), len(tasks)), bool)
    for group in groups:
        positions = [tasks.index(task) for task in dict.fromkeys(group)]
        apart[np.ix_(positions, positions)] = True
    np.fill_diagonal(apart, False)
    return apart


def _costs(count: int, cost: Cost | None) -> tuple[np.ndarray, list[str]]:
    """Cost of every size, shape [K + 1]; sizes that a table does not name cost 1."""
    by_size = np.ones(count + 1)
    problems: list[str] = []
    if isinstance(cost, Mapping):
        named: Mapping[int, Any] = cost
    else:
        named = {} if cost is None else {size: cost(size) for size in range(1, count + 1)}
    for size, value in named.items():
        if not _is_count(size):
            problems.append(f"cost: expected a size, a whole number of tasks, at least 1, found {size!r}")
        elif not (_is_number(value) and 0 < value < math.inf):
            problems.append(f"cost: expected a number above 0 for networks of {size} tasks, found {value!r}")
        elif size <= count:
            by_size[size] = value
    return by_size, problems


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= 1)
