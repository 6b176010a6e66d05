"""How long and how fast to train, with defaults that follow the size of the data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ..errors import raise_all
from ..launch import STRATEGIES
from .freezing import Freeze
from .parts import Pace
from .schedule import SCHEDULES

OPTIMIZERS = ("adam", "adamw", "sgd")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("32", "bf16", "16")


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

    steps: int | None = None
    epochs: float | None = None
    batch_size: int | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    optimizer: str = "adam"
    momentum: float = 0.9
    schedule: str = "constant"
    warmup: int = 0
    ema: float | None = None
    evaluate_every: int | None = None
    patience: int = 10
    gradient_clip: float | None = None
    checkpoint_seconds: float = 15.0
    keep_checkpoints: int = 2
    device: str = "auto"
    precision: str = "32"
    sampling: str | tuple[float, ...] = "proportional"
    sampling_temperature: float = 2.0
    accumulate: int = 1
    strategy: str = "ddp"
    compile: bool = False
    freeze: tuple[str | Freeze, ...] = ()
    parts: Mapping[str, Pace] = field(default_factory=dict)
    select_by: str = "mean"
    threads: int | None = None

    def __post_init__(self) -> None:
        problems = [*self._unknown_words(), *self._numbers_out_of_range()]
        if self.steps is not None and self.epochs is not None:
            problems.append(f"give steps or epochs, not both; found steps={self.steps} and epochs={self.epochs}")
        problems += [f"freeze {entry.part}: {problem}" for entry in map(Freeze.of, self.freeze)
                     for problem in entry.problems()]  # fmt: skip
        problems += [f"parts {part}: {problem}" for part, pace in self.parts.items() for problem in pace.problems()]
        raise_all(problems)

    def _unknown_words(self) -> Iterator[str]:
        choices: dict[str, tuple[str, ...]] = {"optimizer": OPTIMIZERS, "precision": PRECISIONS, "device": DEVICES}
        choices |= {"schedule": SCHEDULES, "strategy": STRATEGIES}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                yield f"{name} must be one of {', '.join(known)}, found {getattr(self, name)!r}"

    def _numbers_out_of_range(self) -> Iterator[str]:
        at_least_one = ["steps", "batch_size", "evaluate_every", "patience", "threads"]
        at_least_one += ["accumulate", "keep_checkpoints"]
        for name, least in (dict.fromkeys(at_least_one, 1) | {"warmup": 0, "weight_decay": 0}).items():
            value = getattr(self, name)
            if value is not None and not least <= value < math.inf:
                yield f"{name} must be at least {least}, found {value}"
        for name in ("epochs", "learning_rate", "gradient_clip"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                yield f"{name} must be more than 0 and finite, found {value}"
        if self.ema is not None and not 0 < self.ema < 1:
            yield f"ema must be between 0 and 1, found {self.ema}"

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
