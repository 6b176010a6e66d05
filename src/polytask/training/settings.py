"""How long and how fast to train, with defaults that follow the size of the data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from ..errors import did_you_mean, raise_all
from ..launch import STRATEGIES
from ..ranges import Count, Range, range_problems
from .freezing import Freeze
from .parts import Pace
from .schedule import SCHEDULES

OPTIMIZERS = ("adam", "adamw", "sgd")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("32", "bf16", "16")
#: How rows of several data sets can be drawn, besides explicit ratios.
SAMPLING = ("proportional", "equal", "temperature", "round_robin")
MOMENTUM, SAMPLING_TEMPERATURE = 0.9, 2.0


def sampling_problems(sampling: Any) -> list[str]:
    """What is wrong with how rows of several data sets are to be drawn, as sentences.

    Example:
        >>> sampling_problems("equall"), sampling_problems((1, 3))
        (["sampling: 'equall' is not known; did you mean 'equal'?, or give ratios"], [])
    """
    if isinstance(sampling, str):
        known = sampling in SAMPLING
        return (
            []
            if known
            else [f"sampling: {sampling!r} is not known; {did_you_mean(sampling, SAMPLING)}, or give ratios"]
        )
    ratios = sampling if isinstance(sampling, list | tuple) else [sampling]
    return [Range(more=True).problem("sampling: a ratio", ratio) for ratio in ratios if ratio not in Range(more=True)]


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one training.

    Args:
        steps: Most optimiser steps. Default: 40 epochs, but at least 2,000 and at most 20,000 steps.
        epochs: The same in passes over the data; not together with ``steps``.
        batch_size: Rows per step over all processes. Default: a fiftieth of the rows, a power of two from 32 to 512.
        learning_rate: Step size.
        weight_decay: Decay of the optimiser (decoupled for ``adamw``).
        optimizer: ``adam``, ``adamw`` or ``sgd``.
        momentum: Of ``sgd``.
        schedule: Course of the learning rate: ``constant``, ``linear`` or ``cosine`` down to 0.
        warmup: Steps over which the learning rate rises.
        ema: Decay of a moving average of the parameters; the average is evaluated, kept and returned. None: no average.
        evaluate_every: Steps between evaluations. Default: 60 evaluations in all.
        patience: Training ends early when no task has improved in so many evaluations.
        gradient_clip: Largest norm of the whole gradient; None for no clipping.
        checkpoint_seconds: Least time between two checkpoints on disk; 0 is one after every step.
        keep_checkpoints: The last so many stay on disk; parameters of the best evaluations stay besides.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``32``, ``bf16`` or ``16`` (mixed).
        sampling: Rows of several data sets are drawn ``proportional`` to their sizes, ``equal``, by ``temperature``,
            ``round_robin`` (one data set a step), or with explicit ratios; see
            :func:`~polytask.training.mixture.sampling_shares`. Without effect on a single one.
        sampling_temperature: 1 is proportional, infinity is equal.
        accumulate: Parts in which a batch goes through the encoder: one at a time is in memory, the step is that of the
            whole batch for every balancing method. Costs one more forward pass; see :mod:`polytask.training.encoding`.
        strategy: How several processes share: ``ddp``: each has the whole network; ``fsdp``: each has a share of the
            encoder's parameters, for balancing methods that need no gradients per task.
        compile: Compile the encoder (``torch.compile``); the first steps take a while.
        freeze: Parts that stay still: no gradient, and evaluation mode. Names (:mod:`polytask.training.part_names`), or
            :class:`~polytask.training.Freeze` with the epoch ``until`` which they do.
        parts: :class:`~polytask.training.Pace` of parts by name: a learning rate, weight decay, schedule and warm-up of
            their own. The first that a parameter lies in counts; tasks' own before others.
        select_by: Which evaluation's parameters are returned: the one with the best ``mean`` share of the tasks' peaks,
            of the ``worst`` task's, the mean ``weighted`` with the tasks' weights, or the share of a main task,
            ``task.NAME`` (without convergence, training then ends when that one stalls). Never looks at test rows.
        threads: Threads of one training on a CPU. Default: one for small networks (parameters times batch below
            100 million: threads cost more than they bring, and far more on a busy machine), all otherwise.

    Raises:
        UserError: All unusable values at once.
    """

    steps: Count | None = None
    epochs: Annotated[float | None, Range(more=True)] = None
    batch_size: Count | None = None
    learning_rate: Annotated[float, Range(more=True)] = 1e-3
    weight_decay: Annotated[float, Range()] = 0.0
    optimizer: str = "adam"
    momentum: Annotated[float, Range(0, 1, less=True, because="training diverges from 1 on")] = MOMENTUM
    schedule: str = "constant"
    warmup: Annotated[int, Range(whole=True)] = 0
    ema: Annotated[float | None, Range(0, 1, more=True, less=True)] = None
    evaluate_every: Count | None = None
    patience: Count = 10
    gradient_clip: Annotated[float | None, Range(more=True)] = None
    checkpoint_seconds: Annotated[float, Range()] = 15.0
    keep_checkpoints: Count = 2
    device: str = "auto"
    precision: str = "32"
    sampling: str | tuple[float, ...] = "proportional"
    sampling_temperature: Annotated[float, Range(more=True, infinite=True)] = SAMPLING_TEMPERATURE
    accumulate: Count = 1
    strategy: str = "ddp"
    compile: bool = False
    freeze: tuple[str | Freeze, ...] = ()
    parts: Mapping[str, Pace] = field(default_factory=dict)
    select_by: str = "mean"
    threads: Count | None = None

    def __post_init__(self) -> None:
        problems = [*self._unknown_words(), *range_problems(self), *self._without_effect()]
        if self.steps is not None and self.epochs is not None:
            problems.append(f"give steps or epochs, not both; found steps={self.steps} and epochs={self.epochs}")
        problems += [f"freeze {entry.part}: {problem}" for entry in map(Freeze.of, self.freeze)
                     for problem in entry.problems()]  # fmt: skip
        problems += [f"parts {part}: {problem}" for part, pace in self.parts.items() for problem in pace.problems()]
        raise_all(problems)

    def _unknown_words(self) -> Iterator[str]:
        choices: dict[str, tuple[Any, ...]] = {"optimizer": OPTIMIZERS, "precision": PRECISIONS, "device": DEVICES}
        choices |= {"schedule": SCHEDULES, "strategy": STRATEGIES, "compile": (True, False)}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                yield f"{name} must be one of {', '.join(map(str, known))}, found {getattr(self, name)!r}"
        yield from sampling_problems(self.sampling)

    def _without_effect(self) -> Iterator[str]:
        if self.momentum != MOMENTUM and self.optimizer != "sgd":
            yield f"momentum has an effect only with optimizer sgd, found {self.optimizer!r}; leave it out"
        if self.sampling_temperature != SAMPLING_TEMPERATURE and self.sampling != "temperature":
            yield f"sampling_temperature has an effect only with sampling temperature, found {self.sampling!r}"

    def resolve(self, rows: int) -> TrainingSettings:
        """The same with every default decided for this number of training rows.

        Example:
            >>> settings = TrainingSettings().resolve(rows=5000)
            >>> settings.batch_size, settings.steps, settings.evaluate_every
            (64, 3160, 53)
        """
        batch = self.batch_size or min(512, max(32, 2 ** int(math.log2(max(1, rows / 50)))))
        batch = min(batch, rows)
        epoch = math.ceil(rows / batch)
        if self.steps is not None:
            steps = self.steps
        elif self.epochs is not None:
            steps = math.ceil(self.epochs * epoch)
        else:
            steps = min(20_000, max(2_000, 40 * epoch))
        every = self.evaluate_every or math.ceil(steps / 60)
        return replace(self, steps=steps, epochs=None, batch_size=batch, evaluate_every=min(every, steps))
