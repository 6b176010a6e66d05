"""What a kind of target has to know, from the cells of a column to predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from .conformal import likely
from .distances import Distance
from .labels import Labels
from .losses import Loss
from .metrics import Metric
from .plots import Graph, Matrix
from .plots.classes import calibration, confusion
from .plots.numbers import predicted_and_true, residuals

if TYPE_CHECKING:
    from .task import Task

#: How the cells of a column are read: as names of classes, as numbers, or as text of several words each.
Form = Literal["classes", "numbers", "words"]
Plot = Graph | Matrix
#: Between the labels of a cell. A cell of nothing else is the empty set; an empty cell is no label.
SEPARATOR = ";"


class Kind(ABC):
    """A kind of target. All methods are pure; ``...`` stands for any leading dimensions (rows, tasks).

    A kind of ``vector_output`` has outputs of shape ``[..., width]`` for targets of shape ``[...]``;
    the others have outputs and targets of the same shape. Bases for its file are :class:`NumberKind`,
    :class:`ClassKind` and :class:`WideKind`.
    """

    name: ClassVar[str]
    #: What a cell holds, in a line.
    about: ClassVar[str]
    vector_output: ClassVar[bool] = False
    #: A row's target is not one number but ``[L]`` of them, NaN where there is none; see :class:`WideKind`.
    wide: ClassVar[bool] = False
    #: The head reads a representation per item of a row (a token, a document), ``[B, 1 + L, D]``.
    items: ClassVar[bool] = False
    #: Targets are numbers, trained as ``(y - center) / scale``; those of other kinds are class indices.
    numeric: ClassVar[bool] = False
    #: Every row is in exactly one of the classes.
    one_class: ClassVar[bool] = False
    #: Numbers may be learned on another scale, see :mod:`polytask.task.units`.
    transformable: ClassVar[bool] = False
    #: The positive one of two classes is predicted from a probability on.
    thresholded: ClassVar[bool] = False
    #: The order of targets means something.
    ordered: ClassVar[bool] = False
    #: Raw outputs are logits of the classes (of the positive one, for two).
    logits: ClassVar[bool] = False
    #: Raw outputs may be divided by a temperature that calibrates probabilities, or the spread of numbers.
    calibrated: ClassVar[bool] = False
    #: Fewest and most classes; no limit if None.
    least_classes: ClassVar[int] = 0
    most_classes: ClassVar[int | None] = None
    #: Classes of a task that names none.
    default_classes: ClassVar[tuple[str, ...]] = ()
    form: ClassVar[Form] = "classes"
    #: What can become of classes with too few rows, beside an error: ``drop``, ``merge``.
    rare: ClassVar[tuple[str, ...]] = ()
    #: The metrics that fit; those of a name in :data:`polytask.task.METRICS` that names the kind fit as well.
    metrics: ClassVar[tuple[Metric, ...]]
    default_metric: ClassVar[str]
    #: Losses that a task may have instead of :meth:`loss`, by name.
    losses: ClassVar[Mapping[str, Loss]] = {}
    #: Distances to a teacher's outputs instead of :meth:`soft_loss`, by name.
    soft_losses: ClassVar[Mapping[str, Distance]] = {}
    #: Training loss of a constant prediction, about; None if it can be anything.
    constant_loss: ClassVar[float | None] = None
    #: Estimator of scikit-learn that boosts trees for such a target and its arguments; None if there is none.
    trees: ClassVar[tuple[str, Mapping[str, Any]] | None] = None

    # Losses and predictions

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of every element, shape ``[...]``."""

    @abstractmethod
    def soft_loss(self, outputs: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """Distance of every element to the ``teacher``'s outputs, shape ``[...]``; 0 where both agree."""

    def expected(self, predictions: Tensor) -> Tensor | None:
        """``[n]`` one number per row for what is predicted, as targets are numbers; None where none states it.

        Args:
            predictions: From :meth:`predict`.
        """
        return None

    def plots(self, task: Task, predictions: Tensor, targets: Tensor, units: Tensor | None = None) -> list[Plot]:
        """What predictions of some rows look like beside their targets; empty where nothing can be drawn.

        Args:
            task: The task.
            predictions: From :meth:`predict`, of rows with a label.
            targets: Stored targets.
            units: ``[n]`` what the rows count as in intervals: those of one group are equal; by default all differ.
        """
        return []

    def nonconformity(self, predictions: Tensor, targets: Tensor) -> Tensor | None:
        """``[n]`` how unusual targets are beside their predictions, for conformal intervals; None without such.

        Args:
            predictions: From :meth:`predict`, of rows with a label.
            targets: Stored targets.
        """
        return None

    def interval_names(self, task: Task) -> list[str]:
        """Names of the columns that :meth:`interval_columns` gives."""
        return []

    def interval(self, task: Task, predictions: Tensor, limit: float) -> tuple[Tensor, ...]:
        """What holds all targets whose :meth:`nonconformity` is at most ``limit``, by :meth:`interval_names`.

        Returns:
            Least and largest number ``[n]`` in units of the labels, or ``[n, C]`` which classes; nothing without such.
        """
        return ()

    def interval_columns(self, task: Task, predictions: Tensor, limit: float) -> dict[str, np.ndarray | list[str]]:
        """:meth:`interval` as columns of a table; between classes is ``;``, and alone it is the empty set."""
        named = zip(self.interval_names(task), self.interval(task, predictions, limit), strict=True)
        return {name: found.numpy() if self.numeric else cells(found, task.classes) for name, found in named}

    def interval_sizes(self, task: Task, predictions: Tensor, limit: float) -> np.ndarray:
        """``[n]`` how wide the intervals are, or how many classes the sets have."""
        first, *last = self.interval(task, predictions, limit)
        return (last[0] - first if last else first.sum(1)).numpy()

    def average(self, outputs: Sequence[Tensor]) -> Tensor:
        """One network from several: outputs whose prediction is the mean prediction."""
        return outputs[0] if len(outputs) == 1 else self.outputs_of(self.mean_prediction(outputs))

    def mean_prediction(self, outputs: Sequence[Tensor]) -> Tensor:
        """Mean of what several networks predict: of probabilities for class kinds, of values for numbers."""
        predicted = [self.predict(output) for output in outputs]
        return predicted[0] if len(predicted) == 1 else torch.stack(predicted).mean(0)

    def linear_model(self, strength: float, passes: int) -> Any:
        """scikit-learn's linear model for such targets; None where it has none.

        Args:
            strength: Inverse strength of the penalty on squared weights.
            passes: Most iterations of its solver.
        """
        return None

    @abstractmethod
    def outputs_of(self, predictions: Tensor) -> Tensor:
        """The inverse of :meth:`predict`, finite also for predictions that are sure."""

    @abstractmethod
    def predict(self, outputs: Tensor) -> Tensor:
        """Probabilities (class kinds) or values in the units of training (kinds of numbers)."""

    @abstractmethod
    def labels(self, predictions: Tensor) -> Tensor:
        """What is predicted, from :meth:`predict`: indices of classes, or the values themselves."""

    def width(self, classes: int) -> int:
        """Number of outputs of the head of a task with this many classes."""
        return max(1, classes) if self.vector_output else 1

    def agreement(self, old: Tensor, new: Tensor) -> float:
        """How far two predictions of the same rows agree, 1 if they are equal: the share of equal labels."""
        return float((self.labels(old) == self.labels(new)).double().mean())

    # Targets

    def units(self, values: np.ndarray) -> tuple[float, float]:
        """``center`` and ``scale`` for a task with these training labels ``[n]``."""
        return 0.0, 1.0

    def problem_with(self, values: np.ndarray) -> str | None:
        """Problems with numbers ``[n]`` (NaN for none) as targets."""
        return None

    def strata(self, values: np.ndarray) -> np.ndarray:
        """``[n]`` numbers of the groups that every part of a split is to hold its share of."""
        return values

    def summary(self, task: Task, targets: np.ndarray) -> dict[str, Any]:
        """What stored targets of some rows look like, for a report, as plain values.

        Args:
            task: The task.
            targets: ``[n]`` or ``[n, L]``.

        Returns:
            ``shares`` {class: share of the rows}, or ``quantiles`` [least, quarter, half, three quarters, largest] in
            units of the labels, or nothing.
        """
        return {}

    def checked(self, task: Task, labels: np.ndarray) -> tuple[Task, np.ndarray]:
        """The labels ``[n]`` or ``[n, L]`` that a part of a split is judged by, and as which task."""
        return task, labels[~np.isnan(labels).all(axis=tuple(range(1, labels.ndim)))]

    def unseen(self, train: np.ndarray, later: np.ndarray) -> np.ndarray:
        """Indices of classes that occur later and not in training."""
        return np.setdiff1d(later, train).astype(int)

    def by_label(self, task: Task) -> list[Task]:
        """The tasks of one number per row that a task is made of; none if it is not about rows."""
        return [task]

    # Columns of a table

    def claims(self, labels: Labels) -> bool:
        """Whether a column with these labels is of this kind unless the user states another; at most one kind does."""
        return False

    def arrange(self, labels: Labels, at: str) -> Labels:
        """The labels in the order of the classes.

        Raises:
            UserError: If they are no targets of this kind; ``at`` names the column.
        """
        return labels

    def reason(self, labels: Labels) -> str:
        """What was found in the column, for the user to read."""
        return labels.described

    def column_names(self, task: Task) -> list[str]:
        """Names of the columns that :meth:`columns` gives."""
        return [task.name, *(f"{task.name}_p_{label}" for label in task.classes)]

    @abstractmethod
    def columns(self, task: Task, predictions: Tensor, texts: Sequence[str]) -> dict[str, np.ndarray | list[str]]:
        """Predictions as columns of a table: arrays, or lists of words.

        Args:
            task: The task.
            predictions: From :meth:`predict`.
            texts: ``[n]`` what was read, of kinds with a target per word; else empty.
        """

    def exported(self, task: Task, predictions: Tensor) -> Tensor:
        """Output of an exported file, from :meth:`predict`: probabilities ``[n, C]``, or values in units of labels."""
        return predictions

    def exported_about(self, task: Task) -> dict[str, Any]:
        """What :meth:`exported` gives, for who calls the file."""
        return {"type": "float32 [n, classes], probabilities", "classes": list(task.classes)}


class NumberKind(Kind):
    """A kind whose targets are one number per row."""

    numeric = True
    ordered = True
    most_classes = 0
    form = "numbers"

    def labels(self, predictions: Tensor) -> Tensor:
        return predictions

    def expected(self, predictions: Tensor) -> Tensor | None:
        return predictions

    def nonconformity(self, predictions: Tensor, targets: Tensor) -> Tensor | None:
        """Distance in units of training."""
        return (predictions - targets).abs()

    def ends(self, predictions: Tensor, limit: float) -> tuple[Tensor, Tensor]:
        """Least and largest target whose :meth:`nonconformity` is at most ``limit``, in units of training."""
        return predictions - limit, predictions + limit

    def interval_names(self, task: Task) -> list[str]:
        return [f"{task.name}_low", f"{task.name}_high"]

    def interval(self, task: Task, predictions: Tensor, limit: float) -> tuple[Tensor, ...]:
        return tuple(task.in_units(end) for end in self.ends(predictions, limit))

    def plots(self, task: Task, predictions: Tensor, targets: Tensor, units: Tensor | None = None) -> list[Plot]:
        p, y = task.in_units(predictions), task.in_units(targets)
        return [plot for plot in (predicted_and_true(p, y), residuals(p, y)) if plot is not None]

    def agreement(self, old: Tensor, new: Tensor) -> float:
        """The coefficient of determination."""
        spread = float(((old - old.mean()) ** 2).sum())
        if not spread:
            return 1.0 if torch.equal(old, new) else float("nan")
        return 1 - float(((old - new) ** 2).sum()) / spread

    def strata(self, values: np.ndarray) -> np.ndarray:
        """Quarters of the range."""
        return np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values)

    def summary(self, task: Task, targets: np.ndarray) -> dict[str, Any]:
        values = task.in_units(torch.from_numpy(targets)).numpy()
        return {"quantiles": np.quantile(values, (0, 0.25, 0.5, 0.75, 1)).tolist()} if len(values) else {}

    def unseen(self, train: np.ndarray, later: np.ndarray) -> np.ndarray:
        return np.zeros(0, int)

    def reason(self, labels: Labels) -> str:
        assert labels.values is not None
        return f"{len(labels.names)} distinct numbers from {labels.values[0]:g} to {labels.values[-1]:g}"

    def column_names(self, task: Task) -> list[str]:
        return [task.name]

    def columns(self, task: Task, predictions: Tensor, texts: Sequence[str]) -> dict[str, np.ndarray | list[str]]:
        return {task.name: task.in_units(predictions).numpy()}

    def exported(self, task: Task, predictions: Tensor) -> Tensor:
        return task.in_units(predictions)

    def exported_about(self, task: Task) -> dict[str, Any]:
        return {"type": "float64 [n]"}


class ClassKind(Kind):
    """A kind whose targets are one class per row."""

    one_class = True
    least_classes = 2
    trees = ("HistGradientBoostingClassifier", {})

    def linear_model(self, strength: float, passes: int) -> Any:
        from sklearn.linear_model import LogisticRegression  # takes a moment to load

        return LogisticRegression(C=strength, max_iter=passes)

    def labels(self, predictions: Tensor) -> Tensor:
        return predictions.argmax(-1)

    def summary(self, task: Task, targets: np.ndarray) -> dict[str, Any]:
        counts = np.bincount(targets.astype(int), minlength=len(task.classes))
        return {"shares": dict(zip(task.classes, (counts / max(1, len(targets))).tolist(), strict=False))}

    def shares(self, predictions: Tensor) -> Tensor:
        """``[n, C]`` the probability of every class."""
        return predictions

    def nonconformity(self, predictions: Tensor, targets: Tensor) -> Tensor | None:
        """1 minus the probability of the class."""
        return 1 - self.shares(predictions).gather(1, targets.long()[:, None])[:, 0]

    def interval_names(self, task: Task) -> list[str]:
        return [f"{task.name}_set"]

    def interval(self, task: Task, predictions: Tensor, limit: float) -> tuple[Tensor, ...]:
        """The classes that are likely enough, the likeliest in any case."""
        shares = self.shares(predictions)
        return (likely(shares, limit) | (shares == shares.amax(1, keepdim=True)),)

    def plots(self, task: Task, predictions: Tensor, targets: Tensor, units: Tensor | None = None) -> list[Plot]:
        found = self.labels(predictions).long()
        sure = self.shares(predictions).gather(1, found[:, None])[:, 0]
        drawn = (
            confusion(targets, found, task.classes),
            calibration(sure, (found == targets.long()).long(), "Calibration of the predicted class", units),
        )
        return [plot for plot in drawn if plot is not None]

    def columns(self, task: Task, predictions: Tensor, texts: Sequence[str]) -> dict[str, np.ndarray | list[str]]:
        found: dict[str, np.ndarray | list[str]] = {
            task.name: [task.classes[place] for place in self.labels(predictions).long().tolist()]
        }
        shares = self.shares(predictions).numpy()
        return found | {f"{task.name}_p_{label}": shares[:, place] for place, label in enumerate(task.classes)}

    def exported(self, task: Task, predictions: Tensor) -> Tensor:
        return self.shares(predictions)


class WideKind(Kind):
    """A kind whose targets are ``[..., L]``: several labels, tokens or documents per row.

    NaN marks a position without a target, in targets and in a teacher's outputs alike; its loss is 0.
    """

    wide = True
    #: Kind of one of a row's targets.
    of_one: ClassVar[str]

    def counts(self, targets: Tensor) -> Tensor:
        """Number of losses in each row, ``[...]``; the mean loss is over these."""
        return (~torch.isnan(targets)).sum(-1)

    def length(self, classes: int) -> int | None:
        """Targets per row of a task with this many classes; None if any number."""
        return None

    def channels(self, classes: int) -> int:
        """Targets for every item of a row."""
        return 1

    def unseen(self, train: np.ndarray, later: np.ndarray) -> np.ndarray:
        return np.zeros(0, int)

    def columns(self, task: Task, predictions: Tensor, texts: Sequence[str]) -> dict[str, np.ndarray | list[str]]:
        raise UserError(f"target {task.name!r}: predictions of kind {self.name} are arrays; predict in Python")


class WordsKind(WideKind):
    """A wide kind that tables hold: cells of several words each."""

    form = "words"
    #: What the words of a cell are.
    words: ClassVar[str]
    #: What the column holds, such as "sets of labels".
    holds: ClassVar[str]
    #: Between the words of a list's cell, and the cell of an empty list.
    separator: ClassVar[str] = " "
    empty: ClassVar[str] = ""

    @abstractmethod
    def words_of(self, cell: str) -> list[str]:
        """The words of a cell."""

    @abstractmethod
    def target_of(self, places: Sequence[int], classes: int) -> Sequence[float]:
        """A row's targets from the indices of its words among the classes."""

    @abstractmethod
    def infer(self, counts: Counter[str], per_row: float, at: str) -> tuple[tuple[str, ...], str]:
        """The classes of a column and what was found, for the user to read.

        Args:
            counts: How often each word occurs.
            per_row: Words per row that has any.
            at: Names the column in messages.

        Raises:
            UserError: If there are too few.
        """


def check_places(found: int, targets: int) -> None:
    """Raise if an encoder does not see as many positions (words, pixels) as there are targets.

    Raises:
        UserError: It states how many there are of each.
    """
    if found != targets:
        raise UserError(f"encoder: it gives {found} places per row, and there are targets for {targets}; make its "
                        f"features [B, 1 + {targets}, D], or write the targets at its resolution")  # fmt: skip


def cells(kept: Tensor, classes: Sequence[str]) -> list[str]:
    """Sets of classes as cells of a table.

    Args:
        kept: ``[n, C]`` which classes.
        classes: Their names.

    Example:
        >>> cells(torch.tensor([[True, True], [False, False]]), ("a", "b"))
        ['a;b', ';']
    """
    names = np.array(classes, dtype=object)
    return [SEPARATOR.join(names[row]) or SEPARATOR for row in kept.numpy()]


def each_unit(known: Tensor, units: Tensor | None) -> Tensor:
    """What every known target of rows ``[n, L]`` counts as, see :meth:`Kind.plots`: as its row."""
    rows = torch.arange(len(known)) if units is None else units
    return rows[:, None].expand(known.shape)[known]


def without_nan(values: Tensor) -> Tensor:
    """0 instead of NaN: masking after arithmetic alone would still give NaN gradients."""
    return torch.nan_to_num(values, nan=0.0)


def class_problems(kind: Kind, classes: Sequence[str]) -> Iterator[str]:
    """Problems with the classes of a task of a kind."""
    least, most, found = kind.least_classes, kind.most_classes, len(classes)
    if least == most or most == 0:
        if found != most:
            yield f"a {kind.name} task has {most} classes, found {found}"
    elif found < least or (most is not None and found > most):
        yield f"a {kind.name} task needs `classes`, at least {least}, found {found}"
    if len(set(classes)) != found:
        yield f"class labels repeat: {', '.join(classes)}"
