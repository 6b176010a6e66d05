"""Grad-TAG: what networks for random sets of tasks would be like, estimated from gradients of one trained network."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ...data import Rows
from ...models import MultiTaskModel
from ..affinity_matrix import Affinity
from ..selection import Selection
from .by_affinity import by_affinity
from .context import Context, Joint

SAMPLES = 200  # labelled rows of each task whose gradients are taken
DIMENSIONS = 200  # to which gradients are projected
INVERSE_PENALTY = 1e-4  # of the logistic regression, as in the authors' code
LENGTH = 0.05  # of the step to a set's parameters, as a share of the length of the shared parameters
SETS_PER_TASK, LEAST_SETS = 20, 100
VALIDATION_ROWS = 2000
CHUNK = 1 << 16  # parameters that are projected at once
MOST_KEPT = 1 << 18  # parameters whose projection is kept (0.2 GB)
MOST_AT_ONCE = 1 << 25  # parameters of several sets that are worked out in one pass over the projection (0.1 GB)
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def grad_tag(context: Context) -> list[Selection]:
    """The best networks by the affinities that :func:`estimated_affinity` gives.

    Source: D. Li, A. Sharma, H. Zhang, "Scalable Multitask Learning Using Gradient-based Estimation of Task Affinity",
    KDD 2024, arXiv:2409.06091. Networks are chosen as from any other affinity, not by their semidefinite programme.
    """
    return by_affinity(replace(context, affinity=estimated_affinity(context.trained_joint, context.seed)))


def estimated_affinity(joint: Joint, seed: int = 0) -> Affinity:
    """How good each task is, on average, in random sets of tasks that hold a certain other one.

    For a set of tasks a logistic regression on projected gradients of their samples gives a direction; the shared
    parameters go along it by a fixed length, and the validation loss of each task of the set is measured there.

    Args:
        joint: a model trained for all tasks (binary or multiclass).
        seed: seed of rows, projection and sets.

    Returns:
        ``matrix[i, j]``: negative mean validation loss of task j in sets that hold task i.
    """
    model = copy.deepcopy(joint.model).cpu().eval()
    shared = shared_tensors(model)
    rng = np.random.default_rng(seed)
    start = torch.cat([parameter.detach().flatten() for parameter in shared])
    projection = RandomSigns(len(start), seed)
    gradients = [_projected(model, shared, joint, place, rng, projection) for place in range(len(model.tasks))]
    rows = joint.validation.subset(_even(len(joint.validation), VALIDATION_ROWS))
    count = len(model.tasks)
    sums, seen = np.zeros((2, count, count))
    sets = random_sets(count, rng)
    together = max(1, MOST_AT_ONCE // len(start))
    for some in (sets[first : first + together] for first in range(0, len(sets), together)):
        directions = torch.stack([_direction([gradients[place] for place in members], rng) for members in some], 1)
        for members, change in zip(some, projection.up(directions).T, strict=True):
            length = LENGTH * start.norm() / change.norm().clamp_min(torch.finfo(change.dtype).tiny)
            _put(shared, start + length * change)
            losses = _losses(model, rows)
            for one in members:
                sums[one, members] -= losses[members]
                seen[one, members] += 1
    alone = sums.sum(0) / seen.sum(0)
    matrix = np.where(seen > 0, sums / np.maximum(seen, 1), alone)  # a pair that was never drawn: as on average
    return Affinity(tuple(task.name for task in model.tasks), matrix, {"method": "grad_tag"})


class RandomSigns:
    """A random matrix of +-1 / sqrt(DIMENSIONS), with a row for each parameter.

    It is drawn again each time where it is large, so that memory does not grow with the model.

    Args:
        parameters: number of rows.
        seed: seed of the signs.

    Example:
        >>> projection, vector = RandomSigns(1000, 0), torch.randn(1, 1000)
        >>> projection.down(vector).shape, projection.up(torch.ones(DIMENSIONS)).shape
        (torch.Size([1, 200]), torch.Size([1000]))
    """

    def __init__(self, parameters: int, seed: int) -> None:
        self.parameters, self.seed = parameters, seed
        self._kept = list(self._drawn()) if parameters <= MOST_KEPT else None

    def down(self, vectors: Tensor) -> Tensor:
        """``[n, parameters]`` to ``[n, DIMENSIONS]``."""
        parts = vectors.split(CHUNK, 1)
        return torch.stack([part @ signs for part, signs in zip(parts, self._parts(), strict=True)]).sum(0)

    def up(self, vectors: Tensor) -> Tensor:
        """``[DIMENSIONS, ...]`` to ``[parameters, ...]``."""
        return torch.cat([signs @ vectors for signs in self._parts()])

    def _parts(self) -> Iterable[Tensor]:
        return self._drawn() if self._kept is None else self._kept

    def _drawn(self) -> Iterator[Tensor]:
        draw = torch.Generator().manual_seed(self.seed)
        for first in range(0, self.parameters, CHUNK):
            size = (min(CHUNK, self.parameters - first), DIMENSIONS)
            yield (2.0 * torch.randint(0, 2, size, generator=draw) - 1) / DIMENSIONS**0.5


def shared_tensors(model: MultiTaskModel) -> list[nn.Parameter]:
    """Shared parameters that are not of a normalisation."""
    norms = {id(p) for module in model.modules() if isinstance(module, NORMS) for p in module.parameters()}
    return [parameter for parameter in model.shared_parameters() if id(parameter) not in norms]


def random_sets(count: int, rng: np.random.Generator) -> list[list[int]]:
    """Random sets of 2 to half of the tasks, so many that each pair is in several.

    Example:
        >>> {len(members) for members in random_sets(6, np.random.default_rng(0))}
        {2, 3}
    """
    largest = max(2, count // 2)
    number = max(LEAST_SETS, SETS_PER_TASK * count)
    return [sorted(rng.choice(count, int(rng.integers(2, largest + 1)), replace=False).tolist()) for _ in range(number)]


def true_class_logit(outputs: Tensor, labels: Tensor) -> Tensor:
    """``[n]`` log(p / (1 - p)) of the true class.

    Args:
        outputs: ``[n]`` logits of the positive class, or ``[n, C]`` logits.
        labels: ``[n]`` numbers of the classes.

    Example:
        >>> true_class_logit(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 0.0])).tolist()
        [2.0, -2.0]
        >>> [round(x, 4) for x in true_class_logit(torch.tensor([[0.0, 2.0]]), torch.tensor([1])).tolist()]
        [2.0]
    """
    if outputs.ndim == 1:
        return outputs * (2 * labels - 1)
    true = nn.functional.one_hot(labels.long(), outputs.shape[1]).bool()
    return outputs[true] - outputs.masked_fill(true, -torch.inf).logsumexp(1)


def _projected(
    model: MultiTaskModel,
    shared: Sequence[Tensor],
    joint: Joint,
    place: int,
    rng: np.random.Generator,
    projection: RandomSigns,
) -> np.ndarray:
    """``[n, DIMENSIONS]`` projected gradients of the true class's logit, for samples of one task."""
    known = labelled(joint.train, place)
    drawn = known[torch.from_numpy(rng.permutation(len(known))[:SAMPLES])]
    rows = joint.train.subset(drawn)
    logits = true_class_logit(model(rows.inputs)[model.tasks[place].name], rows.targets[:, place])
    gradients = []
    for logit in logits:
        parts = torch.autograd.grad(logit, shared, retain_graph=True, materialize_grads=True)
        gradients.append(torch.cat([part.flatten() for part in parts]))
    return projection.down(torch.stack(gradients)).numpy()


def _direction(gradients: Sequence[np.ndarray], rng: np.random.Generator) -> Tensor:
    """``[DIMENSIONS]`` where the samples' true classes become more likely.

    As in the authors' code: samples with random signs as labels, and the logits at the start left out.
    """
    from sklearn.linear_model import LogisticRegression

    samples = np.concatenate(gradients)
    signs = rng.choice([-1.0, 1.0], len(samples))
    signs[:2] = -1.0, 1.0  # both must be there
    regression = LogisticRegression(C=INVERSE_PENALTY, fit_intercept=False)
    regression.fit(signs[:, None] * samples, signs)
    return torch.from_numpy(regression.coef_[0]).float()


def _put(shared: Sequence[Tensor], values: Tensor) -> None:
    """Give the shared parameters the numbers of one long vector."""
    with torch.no_grad():
        for tensor, part in zip(shared, values.split([tensor.numel() for tensor in shared]), strict=True):
            tensor.copy_(part.view_as(tensor))


def _losses(model: MultiTaskModel, rows: Rows) -> np.ndarray:
    """``[K]`` mean cross-entropy of the true class against all others, on each task's labelled rows."""
    with torch.no_grad():
        outputs = model(rows.inputs)
    losses = []
    for place, task in enumerate(model.tasks):
        known = labelled(rows, place)
        logits = true_class_logit(outputs[task.name][known], rows.targets[known, place])
        losses.append(nn.functional.softplus(-logits).mean().item())
    return np.array(losses)


def labelled(rows: Rows, place: int) -> Tensor:
    """Positions of the rows that have a label of a task."""
    return torch.arange(len(rows)) if rows.observed is None else rows.observed[:, place].nonzero()[:, 0]


def _even(count: int, most: int) -> Tensor:
    """Positions of at most ``most`` rows, evenly spaced."""
    return torch.linspace(0, count - 1, min(count, most)).long()
