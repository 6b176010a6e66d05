"""Networks that serve a task together: what they predict is the mean of their predictions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..data import Rows
from ..models import MultiTaskModel
from ..task import Task
from ..training.evaluation import task_estimate, task_outputs, task_targets
from ..uncertainty import Estimate
from .preparation.prepared import labelled_places


class Outputs:
    """Raw outputs of trained networks for the rows of a part; each infers once those that it has labels for."""

    def __init__(self, rows: Rows, tasks: Sequence[Task], models: Mapping[Any, MultiTaskModel]) -> None:
        self.rows = rows
        self.tasks = {task.name: task for task in tasks}
        self.models = models
        self._places = {task.name: place for place, task in enumerate(tasks)}
        self._known: dict[tuple[Hashable, bool], dict[str, Tensor]] = {}

    def labelled(self, task: str, networks: Sequence[Hashable]) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs whose prediction is the mean of those of some networks, with targets and ids of the labelled rows."""
        ids, targets = task_targets(self.rows, self._places[task])
        ids = ids.cpu()
        outputs = [self._of(network)[task][ids] for network in networks]
        return self.tasks[task].definition.average(outputs), targets.cpu(), ids

    def all_rows(self, task: str, networks: Sequence[Hashable]) -> Tensor:
        """Outputs of all rows whose prediction is the mean prediction of some networks."""
        return self.tasks[task].definition.average([self._of(network, True)[task] for network in networks])

    def with_rows(self, rows: Rows) -> Outputs:
        """Those of the same networks for other rows."""
        return Outputs(rows, list(self.tasks.values()), self.models)

    def metric(self, task: str, networks: Sequence[Hashable]) -> Estimate:
        """Metric of the mean prediction of some networks; see :meth:`labelled`."""
        return task_estimate(self.tasks[task], *self.counted(task, networks))

    def counted(self, task: str, networks: Sequence[Hashable]) -> tuple[Tensor, Tensor, Tensor]:
        """The same as :meth:`labelled`, with what the rows count as in standard errors instead of their ids."""
        outputs, targets, ids = self.labelled(task, networks)
        return outputs, targets, self.rows.units(ids)

    def _of(self, network: Hashable, every: bool = False) -> dict[str, Tensor]:
        """Outputs of a network, of the rows alone that it has labels for unless ``every`` one is asked for."""
        if (network, every) not in self._known:
            model = self.models[network]
            places = labelled_places(self.rows, [self._places[task.name] for task in model.tasks])
            if places is not None and not len(places):
                places = places.new_zeros(1)  # for the shape
            places = None if every else places
            rows = self.rows if places is None else self.rows.subset(places)
            found = task_outputs(model, rows, range(len(model.tasks)))
            self._known[network, every] = {
                task.name: self._spread(one.cpu(), places) for task, one in zip(model.tasks, found, strict=True)
            }
        return self._known[network, every]

    def _spread(self, outputs: Tensor, places: Tensor | None) -> Tensor:
        """Outputs of some rows as those of all, NaN in the others."""
        if places is None:
            return outputs
        return outputs.new_full((len(self.rows), *outputs.shape[1:]), torch.nan).index_copy_(0, places.cpu(), outputs)
