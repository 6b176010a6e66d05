"""What a grouping strategy may ask for, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import UserError
from ..affinity_matrix import Affinity
from ..selection import Selection
from .table import Measured

#: Trains a network for some tasks and gives how good it is for each of them on validation; larger is better.
TrainSubset = Callable[[tuple[str, ...]], Mapping[str, float]]


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
        ahead: told which networks :attr:`train` will be asked for, so that they may be trained side by side.
    """

    tasks: tuple[str, ...]
    budgets: Sequence[int]
    affinity: Affinity | None = None
    train: TrainSubset | None = None
    groups: Sequence[Sequence[str]] = ()
    seed: int = 0
    constraints: Mapping[str, Any] = field(default_factory=dict)
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

    def will_train(self, subsets: Sequence[tuple[str, ...]]) -> None:
        """Say which networks :meth:`trained` will be called for."""
        if self.ahead is not None:
            self.ahead(subsets)

    def trained(self, tasks: Sequence[str]) -> Measured:
        """A network trained for ``tasks``.

        Raises:
            UserError: there is no way to train one.
        """
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
