"""One of the trainings of a run: a network for some of the tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from ..balancing import Balancer
from ..balancing.make import make_balancer as make_balancer
from ..config import Config
from ..config.learning import convergence_options
from ..config.training import TrainingSettings
from ..data import Rows
from ..display.display import Display
from ..display.titles import title_of
from ..distillation import soft_loss_fits
from ..models import MultiTaskModel, take_over
from ..records.folder import RunFolder
from ..task.order import task_order
from ..training import (
    AsynchronousConvergence,
    Callback,
    EventLog,
    SequentialConvergence,
    TrainingResult,
    fit,
    only_parts_of,
)
from ..training.callbacks import Deadline
from ..training.evaluation import measure
from ..uncertainty import Estimate
from .encoders import network_of
from .limit import Limit
from .preparation.prepared import Prepared, labelled_places, labelled_rows


@dataclass(frozen=True)
class Trainer:
    """Trains networks of one run, all from the same seed and with the same budget.

    Attributes:
        config: The run's configuration.
        data: Its data.
        run: Its folder.
        display: Where progress is shown.
        settings: Resolved settings of every training.
        final_part: Part of the split that is read at the end.
        aside: Trains for another process, which keeps the run's books: events go to the training's own folder.
        limit: When trainings end, in a run with a time limit.
    """

    config: Config
    data: Prepared
    run: RunFolder
    display: Display
    settings: TrainingSettings
    final_part: str = "test"
    aside: bool = False
    limit: Limit | None = None

    def train(
        self,
        folder: str,
        title: str,
        positions: Sequence[int],
        *,
        balancer: Balancer | None = None,
        plain: bool = True,
        callbacks: Sequence[Callback] = (),
        start: MultiTaskModel | None = None,
        parts: Mapping[str, Rows] | None = None,
    ) -> TrainingResult:
        """Train a network for the tasks at ``positions``, or take up or read again what is done of it.

        Args:
            folder: Name of the training's folder and phase.
            title: Its name in events and on the screen.
            positions: Tasks.
            balancer: Equal weights by default.
            plain: A baseline with hard sharing, whatever is configured.
            callbacks: What takes part.
            start: A trained network whose weights it starts from.
            parts: Rows by ``train`` and ``validation``; those of the split by default.
        """
        tasks = [self.data.tasks[position] for position in positions]
        model = network_of(self.config, self.data.schema, tasks, plain=plain)
        if start is not None:
            take_over(model, start)
        if balancer is not None:
            balancer.bind([task.name for task in tasks])
            if cost := balancer.cost(model.shared_parameters()):
                self.display.say(f"{title}: balancing by {balancer.name} costs {cost}")
        parts = parts or {name: self.part(name, positions) for name in ("train", "validation")}
        return self.carry_out(folder, title, model, parts, balancer=balancer, callbacks=callbacks)

    def carry_out(
        self,
        folder: str,
        title: str,
        model: MultiTaskModel,
        parts: Mapping[str, Rows],
        *,
        balancer: Balancer | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> TrainingResult:
        """Train a model as a phase of the run; see :meth:`train`."""
        done = self.run.finished(folder)
        if self.limit is not None:
            callbacks = [*callbacks, Deadline(self.limit.ends(len(model.tasks)))]
        if done:
            self.display.trained_before()
        shown = nullcontext() if done else self.display.training(title_of(title))
        log = self._log(folder)
        with nullcontext() if self.aside else self.run.phase(folder), shown as progress:
            return fit(
                model,
                train=parts["train"],
                validation=parts["validation"],
                balancer=balancer,
                callbacks=callbacks,
                settings=only_parts_of(model, self.settings),
                seed=self.config.seed,
                folder=self.run.trainings / folder,
                log=log,
                name=title,
                progress=progress,
            )

    def _log(self, folder: str) -> EventLog:
        """Where the events of a training go; once begun aside it stays there, until the run takes them over."""
        events = self.run.events(folder)
        if not self.aside and not events.exists():
            return self.run.log
        log = EventLog(events)
        if not self.run.kept(folder):
            log.rewind(0)
        return log

    def for_network(self, positions: Sequence[int]) -> Trainer:
        """The same with the settings that are the own ones of a network of the tasks at ``positions``."""
        return replace(self, config=self.config.for_network([self.data.tasks[p].name for p in positions]))

    def part(self, name: str, positions: Sequence[int]) -> Rows:
        """The rows of one part of the split that have a label for one of the tasks."""
        return labelled_rows(self.data.rows[name], list(positions))

    def measured(self, result: TrainingResult, positions: Sequence[int], part: str) -> dict[str, Estimate]:
        """Metrics of a trained network on the rows of a part; estimates of several may be subtracted."""
        return measure(result.model, self.part(part, positions), labelled_places(self.data.rows[part], positions))

    def convergence(
        self, tasks: Sequence[str], best_epochs: Mapping[str, float] | None, gaps: Mapping[str, float] | None
    ) -> list[Callback]:
        """The callbacks of a network's training, as configured."""
        order = None
        if self.config.converge == "off":
            return []
        if self.config.converge == "sequential":
            names = [task.name for task in self.data.tasks]
            labels = dict(zip(names, self.data.rows["train"].label_counts().tolist(), strict=True))
            asked, seed = self.config.sequential.order, self.config.seed
            order = task_order(asked, tasks, labels=labels, best_epochs=best_epochs, gaps=gaps, seed=seed)
        options = convergence_options(self.config, tasks)
        if not soft_loss_fits(options["soft_loss"], {task.kind for task in self.data.tasks if task.name in tasks}):
            options["soft_loss"] = "own"  # it is for tasks of other networks
        if self.config.converge == "joint":
            return [AsynchronousConvergence(**options)]
        found = SequentialConvergence(**options | {"order": order or tasks})
        self.display.say(found.plan(order or tasks, self.settings.steps or 1))
        return [found]
