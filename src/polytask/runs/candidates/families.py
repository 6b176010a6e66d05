"""Families of models that are fitted for one target at a time, each with variants, of which held-out rows choose."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...data import SparseRows
from ...models.fitted import FittedLinear, Trees
from ...task import Task
from ..linear import PASSES, STRENGTHS, fitted_linear, linear_matrix, predicted, staged

#: Trees of a forest, and most rounds of boosting.
TREES, ROUNDS = 100, 300
#: Rounds of boosting after which its predictions are compared.
EVERY = 10
#: Leaves that all forests of a run may have, about; more rows or targets have larger leaves.
MOST_LEAVES = 8_000_000
#: Columns that trees see of hashed text.
TEXT_COLUMNS = 64
#: Raw output of a class without a training row.
NEVER = -30.0


class Family(ABC):
    """One way of fitting models."""

    name: ClassVar[str]
    #: The key ``candidates`` calls it so.
    group: ClassVar[str]
    #: Its models read :class:`~polytask.models.fitted.Columns`, not the inputs as they are.
    of_columns: ClassVar[bool] = True

    def takes(self, task: Task) -> bool:
        """Whether there are such models of a target."""
        return task.definition.trees is not None

    @abstractmethod
    def variants(self, task: Task, inputs: Any, fit: Tensor, held: Tensor, labels: ToLearn, seed: int) -> list[Tensor]:
        """Predictions for held-out rows by every variant, as ``task.definition.predict`` gives them.

        Args:
            task: The target.
            inputs: Of all rows: ``[n, F]`` numbers, or a matrix for linear models.
            fit: Rows to learn from.
            held: Rows to predict.
            labels: ``targets`` ``[n]`` and ``weights`` ``[n]`` or None.
            seed: Seed of all that is drawn.
        """

    @abstractmethod
    def final(self, task: Task, inputs: Any, fit: Tensor, labels: ToLearn, seed: int, variant: int) -> nn.Module:
        """The model of one variant as a module; see :meth:`variants`."""


class ToLearn:
    """Targets ``[n]`` of all rows, with their weights ``[n]`` or None.

    Args:
        targets: As stored.
        weights: Of the rows in the mean loss.
    """

    def __init__(self, targets: Tensor, weights: Tensor | None) -> None:
        self.targets, self.weights = targets, weights

    def of(self, ids: Tensor) -> dict[str, Any]:
        """What ``fit`` of scikit-learn takes, for some of the rows."""
        weights = None if self.weights is None else self.weights[ids].numpy()
        return {"y": self.targets[ids].double().numpy(), "sample_weight": weights}


class Forest(Family):
    """scikit-learn's forests."""

    group = "trees"
    #: Its class, without the ending.
    estimator: ClassVar[str]

    def __init__(self, targets: int, threads: int = 1) -> None:
        self.targets, self.threads = targets, threads

    def variants(self, task: Task, inputs: Any, fit: Tensor, held: Tensor, labels: ToLearn, seed: int) -> list[Tensor]:
        return [predicted(task, self._fitted(task, inputs, fit, labels, seed), inputs[held.numpy()])]

    def final(self, task: Task, inputs: Any, fit: Tensor, labels: ToLearn, seed: int, variant: int) -> nn.Module:
        return trees_of_forest(task, self._fitted(task, inputs, fit, labels, seed))

    def _fitted(self, task: Task, inputs: Any, rows: Tensor, labels: ToLearn, seed: int) -> Any:
        from sklearn import ensemble

        kind = "Regressor" if task.definition.numeric else "Classifier"
        smallest = max(1, round(2 * self.targets * TREES * len(rows) / MOST_LEAVES))
        model = getattr(ensemble, self.estimator + kind)(TREES, min_samples_leaf=smallest, random_state=seed,
                                                         n_jobs=self.threads)  # fmt: skip
        model.fit(inputs[rows.numpy()], **labels.of(rows))
        return model.set_params(n_jobs=1)  # several threads would add the trees' predictions in any order


class RandomForest(Forest):
    """Breiman 2001."""

    name, estimator = "random_forest", "RandomForest"


class ExtraTrees(Forest):
    """Geurts, Ernst, Wehenkel 2006."""

    name, estimator = "extra_trees", "ExtraTrees"


class Boosting(Family):
    """scikit-learn's histogram gradient boosting; its variants are numbers of rounds."""

    name, group = "boosting", "trees"

    def variants(self, task: Task, inputs: Any, fit: Tensor, held: Tensor, labels: ToLearn, seed: int) -> list[Tensor]:
        model = self._fitted(task, inputs, fit, labels, seed, ROUNDS)
        own = inputs[held.numpy()]
        return list(islice(staged(task, model, own), EVERY - 1, None, EVERY))

    def final(self, task: Task, inputs: Any, fit: Tensor, labels: ToLearn, seed: int, variant: int) -> nn.Module:
        return trees_of_boosting(task, self._fitted(task, inputs, fit, labels, seed, EVERY * (variant + 1)))

    def _fitted(self, task: Task, inputs: Any, rows: Tensor, labels: ToLearn, seed: int, rounds: int) -> Any:
        from sklearn import ensemble

        assert task.definition.trees is not None  # see takes
        name, own = task.definition.trees
        smallest = max(3, min(20, len(rows) // 20))
        model = getattr(ensemble, name)(max_iter=rounds, min_samples_leaf=smallest, early_stopping=False,
                                        random_state=seed, **own)  # fmt: skip
        return model.fit(inputs[rows.numpy()], **labels.of(rows))


class LinearModels(Family):
    """Linear and logistic regression; the variants are strengths of the penalty."""

    name, group, of_columns = "linear", "linear", False

    def takes(self, task: Task) -> bool:
        return task.definition.linear_model(1.0, PASSES) is not None

    def variants(self, task: Task, inputs: Any, fit: Tensor, held: Tensor, labels: ToLearn, seed: int) -> list[Tensor]:
        matrix, own = inputs.matrix, held.numpy()
        return [predicted(task, self._fitted(task, matrix, fit, labels, strength), matrix[own])
                for strength in STRENGTHS]  # fmt: skip

    def final(self, task: Task, inputs: Any, fit: Tensor, labels: ToLearn, seed: int, variant: int) -> nn.Module:
        model = self._fitted(task, inputs.matrix, fit, labels, STRENGTHS[variant])
        return linear_part(task, model, inputs)

    def _fitted(self, task: Task, matrix: Any, rows: Tensor, labels: ToLearn, strength: float) -> Any:
        return fitted_linear(task, strength, matrix[rows.numpy()], **labels.of(rows))


class LinearInputs:
    """The matrix of linear models, and how wide its parts are."""

    def __init__(self, inputs: Any) -> None:
        self.matrix, self.widths = linear_matrix(inputs)


def projection_of(text: SparseRows) -> Tensor:
    """``[width, directions]``: the first singular directions of hashed texts, which trees split."""
    from sklearn.decomposition import TruncatedSVD

    most = max(1, min(TEXT_COLUMNS, len(text) - 1, text.width - 1))
    return torch.from_numpy(TruncatedSVD(most, random_state=0).fit(text.scipy()).components_.T.copy()).float()


def families(groups: Sequence[str], targets: int, threads: int = 1) -> list[Family]:
    """The families that the key ``candidates`` names, for this many targets.

    Args:
        groups: Names of groups.
        targets: Number of targets of the run.
        threads: Threads that grow a forest; the trees are the same with any number.
    """
    forests = (RandomForest, ExtraTrees)
    every: list[Family] = [*(forest(targets, threads) for forest in forests), Boosting(), LinearModels()]
    return [family for family in every if family.group in groups]


def single_precision(thresholds: np.ndarray) -> Tensor:
    """The largest single numbers up to these: equal for every row of single precision.

    Example:
        >>> float(single_precision(np.array([0.1]))) <= 0.1
        True
    """
    rounded = thresholds.astype(np.float32)
    below = np.nextafter(rounded, np.float32(-np.inf))
    return torch.from_numpy(np.where(rounded > thresholds, below, rounded))


def trees_of_forest(task: Task, model: Any) -> Trees:
    """A fitted forest as a module."""
    trees = [estimator.tree_ for estimator in model.estimators_]
    first = np.cumsum([0, *(tree.node_count for tree in trees)])
    leaf = np.concatenate([tree.children_left < 0 for tree in trees])
    own = np.arange(first[-1])

    def joined(of: Any) -> np.ndarray:
        return np.concatenate([of(tree) + start for tree, start in zip(trees, first, strict=False)])

    value = np.concatenate([tree.value[:, 0] for tree in trees])
    if not task.definition.numeric:
        shares = np.zeros((len(value), len(task.classes)))
        shares[:, model.classes_.astype(int)] = value / value.sum(1, keepdims=True)
        value = shares if task.definition.vector_output else shares[:, 1:]
    outputs = value.shape[1]
    return Trees(
        torch.from_numpy(np.where(leaf, 0, np.concatenate([tree.feature for tree in trees]))),
        single_precision(np.concatenate([tree.threshold for tree in trees])),
        torch.from_numpy(np.where(leaf, own, joined(lambda tree: tree.children_left))),
        torch.from_numpy(np.where(leaf, own, joined(lambda tree: tree.children_right))),
        torch.from_numpy(value),
        torch.from_numpy(first[:-1]),
        torch.full((len(trees), outputs), 1 / len(trees)),
        torch.zeros(outputs),
        max(tree.max_depth for tree in trees),
        "predictions",
    )


def trees_of_boosting(task: Task, model: Any) -> Trees:
    """Fitted gradient boosting as a module."""
    nodes = [tree.nodes for trees in model._predictors for tree in trees]
    per_round = len(model._predictors[0])
    first = np.cumsum([0, *map(len, nodes)])
    every = np.concatenate(nodes)
    start, own = np.repeat(first[:-1], np.diff(first)), np.arange(first[-1])
    leaf = every["is_leaf"].astype(bool)
    classes = [0] if per_round == 1 else model.classes_.astype(int).tolist()
    outputs = 1 if per_round == 1 else len(task.classes)
    mix, bias = torch.zeros(len(nodes), outputs), torch.full((outputs,), 0.0 if outputs == 1 else NEVER)
    mix[torch.arange(len(nodes)), torch.tensor(classes).repeat(len(nodes) // per_round)] = 1.0
    bias[classes] = torch.from_numpy(np.asarray(model._baseline_prediction)).float().flatten()
    return Trees(
        torch.from_numpy(np.where(leaf, 0, every["feature_idx"])),
        single_precision(np.where(leaf, 0.0, every["num_threshold"])),
        torch.from_numpy(np.where(leaf, own, every["left"] + start)),
        torch.from_numpy(np.where(leaf, own, every["right"] + start)),
        torch.from_numpy(every["value"])[:, None],
        torch.from_numpy(first[:-1]),
        mix,
        bias,
        int(max(tree["depth"].max() for tree in nodes)),
        _link(task),
    )


def linear_part(task: Task, model: Any, inputs: LinearInputs) -> FittedLinear:
    """A fitted linear model as a module."""
    coefficients = torch.from_numpy(np.atleast_2d(model.coef_)).float().T  # [F, C]
    bias = torch.from_numpy(np.atleast_1d(model.intercept_)).float()
    if task.definition.vector_output and not task.definition.numeric:
        coefficients, bias = _spread(task, model, coefficients, bias)
    dense, text, categories = coefficients.split(list(inputs.widths))
    unseen = torch.zeros(1 if len(categories) else 0, categories.shape[1])
    return FittedLinear(dense, torch.cat([categories, unseen]), text, bias, _link(task))


def _spread(task: Task, model: Any, coefficients: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Of all classes: those without a training row are never predicted; two have one column in scikit-learn."""
    classes = torch.from_numpy(model.classes_).long()
    weights, biases = torch.zeros(len(coefficients), len(task.classes)), torch.full((len(task.classes),), NEVER)
    if coefficients.shape[1] == 1:
        coefficients, bias = torch.cat([-coefficients, coefficients], 1) / 2, torch.cat([-bias, bias]) / 2
    weights[:, classes], biases[classes] = coefficients, bias
    return weights, biases


def _link(task: Task) -> str:
    """Their raw values are outputs as those of a network, where these are numbers or logits."""
    return "outputs" if task.definition.numeric or task.definition.logits else "softmax"
