"""How a batch goes through the encoder: compiled, or in parts of which one at a time is in memory."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..balancing import Balancer, KeptBuffers
from ..config.training import TrainingSettings
from ..data.rows import count_rows, map_inputs
from ..errors import UserError
from ..models import MultiTaskModel, Representation
from .callback import Callback

Represent = Callable[[Any], Representation]


def make_represent(model: MultiTaskModel, settings: TrainingSettings) -> Represent:
    """:meth:`~polytask.MultiTaskModel.represent`, as ``settings`` want it.

    Raises:
        UserError: If the model is to be compiled, and there is no C++ compiler for a model on the CPU.
    """
    represent: Represent = model.represent
    if settings.compile:
        on_cpu = next(model.parameters()).device.type == "cpu"
        if on_cpu and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
            raise UserError("compile: on a CPU torch.compile needs a C++ compiler, found none; install g++, or leave "
                            "compile out")  # fmt: skip
        import torch._functorch.config as graphs  # nothing else has loaded it, in a run of its own

        # Methods with per-task gradients go backwards through the graph several times.
        graphs.donated_buffer = False
        represent = torch.compile(represent)
    return represent if settings.accumulate == 1 else partial(represent_in_parts, represent, model, settings.accumulate)


def check_encoding(settings: TrainingSettings, balancer: Balancer, callbacks: Sequence[Callback]) -> None:
    """Raise if something has to see the layers of the encoder at work, each of them once in a step."""
    ways = {"accumulate": settings.accumulate > 1, "compile": settings.compile}
    used = [name for name, wanted in ways.items() if wanted]
    watching = [callback.name for callback in callbacks if callback.watches_layers]
    if balancer.needs.gradients == "gramian":
        watching.append(f"balancer {balancer.name!r} with gradients='gramian'")
    if used and watching:
        raise UserError(
            f"{' and '.join(used)}: {', '.join(watching)} must observe the layers of the encoder, which compiled "
            "layers and micro-batches do not allow; leave one of the two out"
        )


def represent_in_parts(represent: Represent, model: nn.Module, parts: int, inputs: Any) -> Representation:
    """Features of a batch that goes through the encoder in parts.

    Only the features are kept; the backward pass of every part begins by computing its activations again. Losses,
    balancers and everything else see the whole batch, so that the step is the one of the whole batch, for any method.

    Args:
        represent: How a part is encoded.
        model: Its buffers come back as they were when activations are computed again.
        parts: How many; 1 keeps all activations.
        inputs: Of the batch.

    Source:
        T. Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174, over rows instead of layers;
        L. Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", RepL4NLP 2021,
        arXiv:2101.06983.

    Example:
        >>> from polytask import Task
        >>> model = MultiTaskModel(torch.nn.Linear(3, 2), [Task("a")])
        >>> represent_in_parts(model.represent, model, 4, torch.ones(6, 3)).features.shape
        torch.Size([6, 2])
    """
    rows = count_rows(inputs)
    parts = min(parts, rows)
    if parts < 2:
        return represent(inputs)
    ends = [rows * part // parts for part in range(parts + 1)]
    found = [
        checkpoint(
            represent,
            map_inputs(inputs, lambda leaf, own=slice(start, stop): leaf[own]),
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), KeptBuffers(model)),  # running statistics see every row once
        )
        for start, stop in itertools.pairwise(ends)
    ]
    features = torch.cat([part.features for part in found])
    if found[0].common is None:
        return Representation(features, None)
    if len(found[0].common) == 1 and found[0].common[0] is found[0].features:
        return Representation(features, (features,))
    return Representation(features, tuple(tensor for part in found for tensor in part.common))
