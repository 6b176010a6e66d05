"""What a grouping strategy may ask for, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ...data import Rows
from ...errors import UserError
from ...models import MultiTaskModel
from ..affinity_matrix import Affinity
from ..selection import Selection
from .table import Measured

#: Trains a network for some tasks and gives how good it is for each of them on validation; larger is better.
TrainSubset = Callable[[tuple[str, ...]], Mapping[str, float]]


class Joint(NamedTuple):
    """A network that was trained for all tasks.

    Attributes:
        model: the network, with hard sharing.
        train: what it was trained on.
        validation: what it was chosen on.
    """

    model: MultiTaskModel
    train: Rows
    validation: Rows


@dataclass(frozen=True)
class Context:
    """What is known when networks are to be proposed.

    Attributes:
        tasks: names of the K tasks.
        budgets: numbers of networks to propose for, ascending.
        affinity: measured in a training for all tasks; only for methods that need it.
        train: trains a network for some tasks; only for methods that need it.
        groups: the user's own groups.
        seed: seed of what is drawn.
        constraints: as for :func:`~polytask.grouping.select_networks`.
        joint: a network trained for all tasks; only for methods that need it.
        data_maps: shape [K, F], what describes each task by the history of its samples in that training; only for
            methods that need them.
        known: how good networks are that were trained before, by their tasks; they are not trained again.
        ahead: told which networks :attr:`train` will be asked for, so that they may be trained side by side.
    """

    tasks: tuple[str, ...]
    budgets: Sequence[int]
    affinity: Affinity | None = None
    train: TrainSubset | None = None
    groups: Sequence[Sequence[str]] = ()
    seed: int = 0
    constraints: Mapping[str, Any] = field(default_factory=dict)
    joint: Joint | None = None
    data_maps: np.ndarray | None = None
    known: Mapping[tuple[str, ...], Mapping[str, float]] = field(default_factory=dict)
    ahead: Callable[[Sequence[tuple[str, ...]]], None] | None = None

    @property
    def measured(self) -> Affinity:
        """The affinity.

        Raises:
            UserError: there is none.
        """
        if self.affinity is None:
            raise UserError("grouping: this method needs a measured affinity; found none")
        return self.affinity

    @property
    def trained_joint(self) -> Joint:
        """The network trained for all tasks.

        Raises:
            UserError: there is none.
        """
        if self.joint is None:
            raise UserError("grouping: this method needs a network trained for all tasks; found none")
        return self.joint

    @property
    def measured_maps(self) -> np.ndarray:
        """The data maps.

        Raises:
            UserError: there are none.
        """
        if self.data_maps is None:
            raise UserError("grouping: this method needs the data maps of a training for all tasks; found none")
        return self.data_maps

    def will_train(self, subsets: Sequence[tuple[str, ...]]) -> None:
        """Say which networks :meth:`trained` will be called for."""
        new = [tasks for tasks in subsets if tasks not in self.known]
        if self.ahead is not None and new:
            self.ahead(new)

    def trained(self, tasks: Sequence[str]) -> Measured:
        """A network trained for ``tasks``.

        Raises:
            UserError: there is no way to train one.
        """
        if tuple(tasks) in self.known:
            return Measured(dict(self.known[tuple(tasks)]))
        if self.train is None:
            raise UserError("grouping: this method trains networks, and needs a function that does; found none")
        return Measured(dict(self.train(tuple(tasks))))


def plain_selection(tasks: Sequence[str], networks: Sequence[Sequence[str]]) -> Selection:
    """Networks that nothing was predicted of: each task is served by the first that holds it, with score 0.

    Example:
        >>> plain_selection(("a", "b", "c"), [("a", "b"), ("b", "c")]).serves
        {'a': 0, 'b': 0, 'c': 1}
    """
    order = {task: place for place, task in enumerate(tasks)}
    sorted_networks = sorted((tuple(sorted(set(network), key=order.__getitem__)) for network in networks),
                             key=lambda network: [order[task] for task in network])  # fmt: skip
    serves = {task: next(k for k, network in enumerate(sorted_networks) if task in network) for task in tasks}
    used = sorted(set(serves.values()))
    return Selection(
        tuple(sorted_networks[k] for k in used),
        {task: used.index(k) for task, k in serves.items()},
        0.0,
        0.0,
        False,
        dict.fromkeys(tasks, 0.0),
    )
