"""The training loop.

::

    while steps remain and no callback has finished:
        batch   = rows[stream.ids(step)]                       inputs, targets, observed, ids
        callback.before_step(batch)                            probes (affinity)
        features, common = represent(batch.inputs)             what the heads read; where the shared part ends
        losses  = objective(model.heads(features))             per task: true labels, or soft labels once converged
        callback.after_forward(common, losses)                 probes that use the training's own forward pass
        extra   = callback.extra_loss(features, batch)         distillation terms, which the balancer does not see
        weights = balancer.backward(losses, shared, common)    with `extra` fills .grad of every parameter
        callback.after_backward(losses)                        separate parameters
        average_gradients                                      several processes only
        clip, optimizer.step, zero_grad                        what absent tasks own is left alone
        balancer.after_step                                    if it needs a second forward pass
        at the end of an epoch: balancer.end_epoch
        every `evaluate_every` steps:
            if something is not finite: back to the last evaluation, once, with half the learning rate
            evaluation = metrics of all tasks on validation
            callback.after_evaluation(evaluation)              convergence: soft labels replace labels
            returned.update(evaluation)                        is this the checkpoint to return?
        now and then, and when asked to end: a copy of everything that changes goes into one checkpoint file

A resumed training continues bit for bit: the order of rows is a function of seed and step, and everything else that
changes is in the checkpoint.

With several processes (``torch.distributed`` initialised by the caller, `fit` called alike on all) each takes its share
of every batch; losses and gradients are those of the whole batch. The first process decides and writes the files.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..balancing import Balancer, TaskLosses, repeatable
from ..config.training import TrainingSettings
from ..data import Batch, Rows
from ..display.display import Progress
from ..models import MultiTaskModel
from ..processes.collectives import (
    average_gradients,
    rank,
    share_from_first,
    sum_over_processes,
    wait_for_all,
)
from ..uncertainty import Estimate, estimates_of_first
from .averaging import AveragedModel
from .callback import Callback, ForwardPass
from .checkpoints import Checkpoints, load_training_state, training_state
from .checks import check_training, check_trains
from .common_checkpoint import CommonCheckpoint
from .divergence import Recovery, check_bounded, what_diverged, what_is_undefined
from .encoding import make_represent
from .evaluation import (
    Evaluation,
    estimates_of,
    evaluate,
    losses_of,
    task_estimate,
    task_outputs,
    task_targets,
    trivial_estimates,
    trivial_levels,
)
from .events import EventLog, is_detailed, single_precision
from .gradient_history import GradientHistory
from .interruption import Interruption
from .kept_outputs import KnownOutputs
from .loss_sums import LossSums
from .mixture import MixtureStream, make_stream
from .objective import Objective
from .optimizer import absent_tasks_kept, make_optimizer
from .parts import Parts
from .precision import Precision, chosen_device
from .sharding import WholeNetwork, clip_gradients, shard, whole_optimizer_state
from .snapshots import Snapshots
from .threads import cpu_threads, threads_for

#: About as many training rows are measured for balancers that ask for training metrics.
METRIC_ROWS = 4096


class Training:
    """One training of one network: the state of the loop in the module's drawing.

    Callbacks see and change it; :func:`polytask.fit` is the way to run it.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        train: Rows,
        validation: Rows,
        *,
        balancer: Balancer,
        callbacks: Sequence[Callback],
        settings: TrainingSettings,
        seed: int,
        folder: Path | None = None,
        log: EventLog | None = None,
        name: str = "training",
    ) -> None:
        self.settings = settings.resolve(len(train))
        self.device = chosen_device(settings.device)
        self.precision = Precision(settings.precision, self.device)
        self.model = model.to(self.device)
        share_from_first(self.model.state_dict().values())
        self.train, self.validation = train.to(self.device), validation.to(self.device)
        self.tasks = model.tasks
        self.balancer, self.callbacks = balancer, list(callbacks)
        self.folder, self.log, self.name, self.seed = folder, log or EventLog(), name, seed

        balancer.bind([task.name for task in self.tasks], {task.name: task.weight for task in self.tasks})
        balancer.to(self.device)
        check_training(settings, balancer, model, self.callbacks)
        self._whole, average = None, None
        if settings.strategy == "fsdp":
            average = shard(model) if settings.ema else None
            self.model, self._whole = shard(model), WholeNetwork(model)
        model = self.model
        balancer.attach(model.shared_module())
        self.represent = make_represent(self.model, settings)
        self.parts = Parts(model, self.settings)
        self.model.train()  # all parts: an encoder may come from a network that has been evaluated
        self.parts.frozen.at(0)
        check_trains(balancer, model, self.callbacks)
        self.optimizer = make_optimizer(self.parts.for_optimizer(), self.settings)
        if self._whole is not None:
            whole_optimizer_state(self.optimizer)
        self.objective = Objective(model.heads.groups, len(self.tasks), read_by=model.heads.wide)
        self.average = AveragedModel(self.model, self.settings.ema, average) if self.settings.ema else None
        self.schedule_start = 0
        self.schedule_steps: int | None = None
        self.restrict(list(range(len(self.tasks))), since=0)
        self.snapshots = Snapshots(folder / "snapshots" if folder else None)
        #: By task what a constant prediction reaches on validation, and the error of a metric that knows nothing.
        self.baseline = trivial_estimates(self.tasks, self.validation)
        self.trivial = {name: level.value for name, (level, _) in self.baseline.items()}
        self.measured: dict[str, Estimate] = {}
        #: Raw outputs on validation by task, while callbacks look at an evaluation.
        self.outputs: list[Tensor] = []
        self.returned = CommonCheckpoint(self.tasks, self.baseline, self.settings.select_by)
        self.history: list[Evaluation] = []
        self.step, self.seconds = 0, 0.0
        self.sums = LossSums(len(self.tasks), self.device)
        self.weights = torch.ones(len(self.tasks), device=self.device)
        self.gradients = GradientHistory(len(self.tasks), self.device)
        every, keep = self.settings.checkpoint_seconds, self.settings.keep_checkpoints
        self.checkpoints = Checkpoints(folder, self.snapshots, every, keep)
        self.recovery = Recovery()
        self._interruption = Interruption()
        torch.manual_seed(seed + rank())  # separate dropout masks for every process
        for callback in self.callbacks:
            callback.start(self)

    @property
    def epoch(self) -> float:
        """Passes over the data so far."""
        return round(self.step / self.stream.steps_per_epoch, 4)

    @property
    def sharded(self) -> bool:
        """Every process holds a share of the parameters only."""
        return self._whole is not None

    @property
    def evaluated(self) -> MultiTaskModel:
        """What is evaluated, kept and returned: the model, or the moving average of its parameters."""
        return self.average.model if self.average else self.model  # type: ignore[return-value]

    def restrict(self, tasks: Sequence[int], since: int) -> None:
        """Only some tasks take part from now on, and only rows with a label for one of them are drawn.

        Args:
            tasks: Their positions.
            since: Step at which this began; the order of rows counts from there.
        """
        self._since = since
        self._drawn: Tensor | None = None
        self.objective.active = None if len(tasks) == len(self.tasks) else tuple(tasks)
        if self.objective.active is not None and self.train.observed is not None:
            self._drawn = self.train.observed[:, list(tasks)].any(1).nonzero()[:, 0].cpu()
        self.stream = make_stream(self.train, self._drawn, self.settings, self.seed)

    def rows_ahead(self, begin: int) -> Tensor | None:
        """``[n]`` bool, the rows that the steps from ``begin`` on draw, on all processes; None if these may be all."""
        total = self.total
        if self.objective.active is not None or total - begin >= self.stream.steps_per_epoch:
            return None
        drawn = torch.zeros(len(self.train), device=self.device)
        for step in range(begin, total):
            drawn[self.stream.ids(step - self._since).to(drawn.device)] = 1
        return sum_over_processes(drawn) > 0

    def restore(self, step: int) -> None:
        """Go back to the parameters of an earlier evaluation, with a fresh optimiser."""
        for model in {id(self.model): self.model, id(self.evaluated): self.evaluated}.values():
            model.load_state_dict(self.snapshots.load(step))
        self.optimizer.state.clear()

    def restart_schedule(self, steps: int | None = None) -> None:
        """The schedule of the learning rate begins again, over this many steps; None for those that are left."""
        self.schedule_start, self.schedule_steps = self.step, steps

    def network_at(self, step: int) -> MultiTaskModel:
        """A copy of the network with the parameters of an earlier evaluation."""
        state = self.snapshots.load(step)
        if self._whole is not None:
            return self._whole.copied(state)
        model = copy.deepcopy(self.model)
        model.load_state_dict(state)
        return model

    def measure_mean(
        self, chosen: Mapping[int, Sequence[int]], known: KnownOutputs | None = None
    ) -> dict[str, Estimate]:
        """By task name the validation metric of the mean prediction of the parameters at several steps.

        Args:
            chosen: Steps by the task's position.
            known: Outputs that need not be computed again.
        """
        outputs = dict(known or {})
        wanted = [(position, step) for position, steps in chosen.items() for step in steps]
        for step in sorted({step for position, step in wanted if (position, step) not in outputs}):
            positions = [position for position, other in wanted if other == step]
            found = task_outputs(self.network_at(step), self.validation, positions)
            outputs |= {(position, step): output for position, output in zip(positions, found, strict=True)}
        measured = {}
        for position, steps in chosen.items():
            task, (ids, targets) = self.tasks[position], task_targets(self.validation, position)
            mean = task.definition.average([outputs[position, step] for step in steps])
            measured[task.name] = task_estimate(task, mean[ids], targets, self.validation.units(ids))
        return estimates_of_first(measured)

    def keep_snapshot(self) -> None:
        """Keep the parameters of this evaluation while somebody needs them."""
        self.snapshots.save(self.step, self.evaluated)

    @property
    def budget(self) -> int:
        """Steps of this training: those of the settings, or what a callback with several stages needs."""
        return max((callback.total_steps for callback in self.callbacks), default=0) or self.settings.steps or 0

    @property
    def total(self) -> int:
        """Most steps of this training: more than its budget where it ends when no task improves any more."""
        until_converged = any(callback.ends_by_convergence for callback in self.callbacks)
        return max(self.budget, (until_converged and self.settings.most_steps) or 0)

    @property
    def progress(self) -> float:
        """Share of the budget that is used; above 1 where a task still improves after that."""
        return self.step / max(1, self.budget)

    @property
    def finished(self) -> bool:
        """The budget is used up, or a callback has finished at an evaluation."""
        return self.step >= self.total or any(callback.finished for callback in self.callbacks)

    def run(self, progress: Progress | None = None) -> None:
        """Train to the end; the model then holds the parameters to return."""
        awaited = self._interruption.awaited() if self.checkpoints.enabled else nullcontext()
        threads = self.settings.threads or threads_for(self.model, self.settings.batch_size or 1)
        with awaited, cpu_threads(threads), self.checkpoints.written():
            self._run(progress)

    def _run(self, progress: Progress | None) -> None:
        total = self.total
        if not self.checkpoints.resume(self):
            self.write(
                "training_start",
                tasks=[task.name for task in self.tasks],
                settings=self.settings.model_dump(),
                total=total,
                balancing=self.balancer.name,
                balancing_cost=self.balancer.cost(self.model.shared_parameters()),
            )
            self.recovery.note(self, training_state(self))
            self.checkpoints.save(self)
        started = time.monotonic() - self.seconds
        while not self.finished:
            self.advance()
            self.seconds = time.monotonic() - started
            evaluating = self.step % (self.settings.evaluate_every or 1) == 0 or self.step == total
            if evaluating:
                self._evaluate()
            if progress and self.step % 16 == 0:
                progress(self.step, self.budget if self.step <= self.budget else total)
            ending = self.checkpoints.enabled and self._interruption.agreed(self.step)
            if (self.checkpoints.due(evaluating) or ending) and not what_diverged(self):
                self.checkpoints.save(self)
            if ending:
                self.checkpoints.wait()  # what cannot be saved is an error and no interruption
                wait_for_all()
                raise KeyboardInterrupt
        if progress:
            progress(total, total)
        check_bounded(self)
        for callback in self.callbacks:
            callback.after_training(self)
        self.parts.frozen.thaw()
        returned = self.snapshots.load(self.returned.step)
        if self._whole is None:
            self.model.load_state_dict(returned)
        else:
            self.model = self._whole.back(returned)
        wait_for_all()  # none removes files before all have read them
        drawn = {"drawn": self.stream.drawn(self.step)} if isinstance(self.stream, MixtureStream) else {}
        self.write(
            "training_end",
            seconds=self.seconds,
            steps=self.step,
            returned_epoch=self.epoch_of(self.returned.step),
            **drawn,
        )

    def advance(self) -> None:
        """One step of training."""
        ids = self.stream.ids(self.step - self._since)
        if self._drawn is not None:
            ids = self._drawn[ids]
        self.parts.set_learning_rates(self.optimizer, *self._history)
        self._one_step(self.train[ids.to(self.device)])
        self.step += 1
        if (self.step - self._since) % self.stream.steps_per_epoch == 0:
            self.balancer.end_epoch()

    @property
    def _history(self) -> tuple[int, int]:
        """Steps done and all steps of the present schedule of the learning rate."""
        return self.step - self.schedule_start, self.schedule_steps or self.total - self.schedule_start

    def _one_step(self, batch: Batch) -> None:
        if not self.model.training:
            self.model.train()
        self.parts.frozen.at(self.step / self.stream.steps_per_epoch)
        for callback in self.callbacks:
            callback.before_step(self, batch)
        needs = self.balancer.needs
        again = repeatable(self.model) if needs.second_forward else None
        passed, losses = self._forward(batch)
        if losses.nothing:
            return  # every row of the batch has the weight 0: as good as no batch
        for callback in self.callbacks:
            callback.after_forward(self, batch, passed.common, losses)
        self._backward(passed, losses, batch)
        self._see_gradients()
        average_gradients(self.model.parameters())
        for callback in self.callbacks:
            callback.after_backward(self, losses)
        self.parts.mask_gradients()
        if self.settings.gradient_clip and self._whole is not None:
            clip_gradients(self.model.parameters(), self.settings.gradient_clip)
        elif self.settings.gradient_clip:
            self.precision.clip(self.model.parameters(), self.optimizer, self.settings.gradient_clip)
        absent = [] if losses.complete else (~losses.present).nonzero()[:, 0].tolist()
        parts = [part for task in absent for part in self.model.task_parameters(task)]
        with (
            absent_tasks_kept(self.optimizer, parts) if parts else nullcontext(),
            self.parts.own_pace(self.optimizer, *self._history) if self.parts.has_rows else nullcontext(),
        ):
            self.precision.step(self.optimizer)
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update()
        if again is not None:
            with again():
                self.balancer.after_step(lambda: self._forward(batch)[1])
        self.sums.add(losses)

    def _forward(self, batch: Batch) -> tuple[ForwardPass, TaskLosses]:
        """What the model finds in a batch, and its losses."""
        with self.precision.autocast():
            features, common = self.represent(batch.inputs)
            outputs = self.model.heads(features)
        return ForwardPass(features, common, outputs), self.objective(outputs, batch)

    def _backward(self, passed: ForwardPass, losses: TaskLosses, batch: Batch) -> None:
        """Fill ``.grad`` from the losses as balanced, and from what the callbacks add to them."""
        terms = [term for callback in self.callbacks if (term := callback.extra_loss(self, passed, batch)) is not None]
        backward: Callable[[Tensor], None] = self.precision.backward
        shared = None if self.balancer.needs.gradients == "none" else self.model.shared_parameters()
        if terms and shared is None:

            def backward(total: Tensor) -> None:
                self.precision.backward(sum(terms, total))

        elif terms:  # apart from the total: the balancer puts other gradients instead of that one's
            self.precision.backward(sum(terms[1:], terms[0]), retain_graph=True)
        self.weights = self.balancer.backward(losses, shared=shared, features=passed.common, backward=backward)

    def _see_gradients(self) -> None:
        """Take note of the Gramian that the balancer has computed, unless a callback's is taken."""
        gramian = self.balancer.gramian
        if gramian is not None and not any(callback.measures_gradients for callback in self.callbacks):
            self.gradients.add(gramian, self.balancer.took_part)

    @property
    def gradient_scale(self) -> float:
        """Factor of all gradients between backward pass and optimiser (half precision), otherwise 1."""
        return self.precision.scale

    def _show_metrics(self, validation: dict[str, float]) -> None:
        """Tell the balancer how good the tasks are, as skill scores, if it asks."""
        source = self.balancer.needs.metrics
        if source is None:
            return
        levels, trivial = validation, self.trivial
        if source == "training":
            sample = self.train.subset(torch.arange(0, len(self.train), max(1, len(self.train) // METRIC_ROWS)))
            levels, trivial = evaluate(self.model, sample), trivial_levels(self.tasks, sample)
        self.balancer.observe_metrics(
            {t.name: t.metric_definition.skill(levels[t.name], trivial[t.name]) for t in self.tasks}
        )

    def _evaluate(self) -> None:
        if what := what_diverged(self):
            self._go_back(what)
            return
        names = [task.name for task in self.tasks]
        sums = self.sums.values
        losses, weights = (sums[0] / sums[1]).tolist(), self.weights.tolist()
        labels = [int(count) for count in sums[1].tolist()]
        shares = (sums[2] / (self.step - (self.history[-1].step if self.history else 0))).tolist()
        share_from_first([*self.model.buffers(), *self.evaluated.buffers()])  # statistics of each process's own rows
        self.outputs = task_outputs(self.evaluated, self.validation, range(len(names)))
        measured = estimates_of(self.tasks, self.outputs, self.validation)
        single_losses = losses_of(self.tasks, self.outputs, self.validation)
        self.measured = estimates_of_first(measured)
        if what := what_is_undefined(self, {name: found.value for name, found in measured.items()}):
            self._go_back(what)
            return
        self.sums.values = torch.zeros_like(sums)
        evaluation = Evaluation(
            self.step,
            self.epoch,
            {name: found.value for name, found in self.measured.items()},
            dict(zip(names, losses, strict=True)),
            dict(zip(names, weights, strict=True)),
            dict(zip(names, labels, strict=True)),
            {name: found.error for name, found in self.measured.items()},
        )
        self.history.append(evaluation)
        self._show_metrics(evaluation.validation)
        frozen = [self.tasks[position].name for position in self.objective.soft]
        for callback in self.callbacks:
            callback.after_evaluation(self, evaluation)
        stage = max((callback.checkpoint_rank for callback in self.callbacks), default=0)
        if self.returned.update(self.step, self.measured, stage, frozen):
            self.keep_snapshot()
        self.outputs = []
        score = self.returned.score(self.measured).value
        numbers = {
            "validation": evaluation.validation,
            "errors": evaluation.errors,
            "losses": evaluation.losses,
            "weights": evaluation.weights,
            "share_of_steps": dict(zip(names, shares, strict=True)),
        }
        details = {key: single_precision(values) for key, values in numbers.items()} | {"labels": evaluation.labels}
        details |= ({"single_losses": single_losses} if single_losses else {}) | self.gradients.take(names)
        self.write("evaluation", score=score, **(details if is_detailed(len(self.history) - 1, len(names)) else {}))
        if self.folder is None:
            self.snapshots.keep_only(self.needed_snapshots())
        self.recovery.note(self, training_state(self))

    def _go_back(self, what: str) -> None:
        """Continue from the last evaluation (or the start) with half the learning rate; see :class:`Recovery`."""
        load_training_state(self, self.recovery.go_back(self, what))
        self.parts.slow_down(self.optimizer, self.recovery.factor)
        self.checkpoints.begin_anew(self)

    def epoch_of(self, step: int) -> float:
        """The epoch at an earlier step."""
        return round(step / self.stream.steps_per_epoch, 4)

    def write(self, event: str, **fields: Any) -> None:
        """Append an event of this training to the log."""
        self.log.write(event, step=self.step, epoch=self.epoch, training=self.name, **fields)

    def needed_snapshots(self) -> set[int]:
        """Steps whose parameters somebody still needs."""
        needed = {self.returned.step}
        for callback in self.callbacks:
            needed |= callback.needed_snapshots()
        return needed
