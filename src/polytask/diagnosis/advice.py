"""Settings to try, as they can be put behind ``polytask fit RUN/config.yaml --out NEW``."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from ..config import Config
from ..config.layout import paths
from ..records.run import Run
from .loudness import loudest

#: Methods with per-task gradients, the cheapest first, and those that even out how loud losses are.
OF_CONFLICT, OF_LOUDNESS = ("pcgrad", "upgrad"), ("scale_invariant", "uw")


def quoted(*options: str) -> str:
    """Options between backquotes.

    Example:
        >>> quoted("--networks auto"), quoted("--set a=1", "--set b=2")
        ('`--networks auto`', '`--set a=1 --set b=2`')
    """
    return f"`{' '.join(options)}`"


def of_target(key: str, task: str, value: str) -> str:
    """A key for one target.

    Example:
        >>> print(of_target("transform", "price", "log"), of_target("transform", "a.b", "log"))
        --set data.transform.price=log --set 'data.transform={"a.b": log}'
    """
    place = ".".join(paths()[key])
    plain = re.fullmatch(r"[A-Za-z_][\w-]*", task) is not None
    return f"--set {shlex.quote(f'{place}.{task}={value}' if plain else f'{place}={{{json.dumps(task)}: {value}}}')}"


def more_weight(run: Run, task: str, factor: float) -> list[str]:
    """This many times its weight for a task, unless it dominates a network already."""
    return [] if task in {found.task for found in loudest(run)} else [weight(run, task, factor)]


def weight(run: Run, task: str, factor: float) -> str:
    """This many times its weight for a task."""
    now = (run.config.get("weights") or {}).get(task, 1.0)
    return f"--weight {shlex.quote(f'{task}={now * factor:g}')}"


def learning_rate(run: Run, factor: float) -> str:
    """This many times the learning rate."""
    return f"--learning-rate {_of(run, 'learning_rate') * factor:.2g}"


def steps(run: Run, factor: float) -> str:
    """This many times the steps of the longest training, or the epochs if these are given."""
    if epochs := run.config.get("epochs"):
        return f"--epochs {epochs * factor:g}"
    longest = max((training.steps or 0 for training in run.log.trainings.values()), default=0)
    return f"--steps {max(1, longest) * factor:.0f}"


def dropout(run: Run) -> list[str]:
    """More dropout, where the run's encoder has any."""
    encoder = run.config.get("encoder")
    if isinstance(encoder, dict):
        return ["--set model.encoder.dropout=0.3"] if "name" in encoder else []
    return ["--set model.dropout=0.3"] if encoder is None else []


def against_overfitting(run: Run) -> list[str]:
    """What keeps a network from learning its rows by heart."""
    keeps_peaks = [] if run.config.get("converge") in (None, "joint") else ["--converge joint"]
    return [*dropout(run), "--set training.optimizer=adamw --set training.weight_decay=0.01", *keeps_peaks]


def more_validation(run: Run) -> str:
    """A larger validation part."""
    split = _of(run, "split")
    if isinstance(split, str):
        return f"more rows with `validation` in column {split!r}"
    _, validation, test = split
    wanted = round(max(2 * validation, 0.25), 4)
    train = round(1 - wanted - test, 4)
    return f"more validation rows ({quoted(f'--split {train:g},{wanted:g},{test:g}')})" if train > 0.4 else "more rows"


def wider(run: Run) -> list[str]:
    """Twice the width, where the run's encoder is the default one."""
    if run.config.get("encoder") is not None:
        return []
    widths = _default("model").model_copy(update=run.config.get("model") or {}).for_rows(run.log.rows.get("train", 0))
    return [f"--set model.hidden=[{','.join(str(2 * width) for width in widths.hidden)}]"]


def networks(run: Run) -> str:
    """Several networks, if the run has not compared that with one."""
    return "--networks 2" if str(_of(run, "networks")) == "auto" else "--networks auto"


def balance(run: Run, methods: tuple[str, ...]) -> str:
    """The first of these methods that is not the run's."""
    now = run.config.get("balance")
    now = now.get("name") if isinstance(now, dict) else now
    return f"--balance {next(method for method in methods if method != now)}"


def patience(run: Run) -> list[str]:
    """Twice the patience of the convergence, where there is one."""
    if _of(run, "converge") == "off":
        return []
    return [f"--set convergence.patience={2 * _of_convergence(run, 'patience')}"]


def kd_weight(run: Run) -> float:
    """The weight of soft labels."""
    return float(_of_convergence(run, "kd_weight"))


def _of(run: Run, key: str) -> Any:
    value = run.config.get(key)
    return _default(key) if value is None else value


def _of_convergence(run: Run, key: str) -> Any:
    value = (run.config.get("convergence") or {}).get(key)
    return getattr(_default("convergence"), key) if value is None else value


def _default(key: str) -> Any:
    return Config.model_fields[key].get_default(call_default_factory=True)
