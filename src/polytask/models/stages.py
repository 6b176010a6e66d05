"""An encoder as a sequence of stages, for architectures that share some of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ..errors import UserError


def stages_of(encoder: nn.Module) -> list[nn.Module]:
    """The stages of an ``nn.Sequential`` (a :class:`~polytask.TableEncoder` is one); any other module is a single one.

    A stage begins at every child with a weight matrix; activations, normalisation and dropout belong to the stage
    before them. The stages hold the encoder's own layers, no copies.

    Example:
        >>> layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3), nn.ReLU())
        >>> [len(stage) for stage in stages_of(layers)]
        [3, 2]
    """
    if not isinstance(encoder, nn.Sequential):
        return [encoder]
    stages: list[list[nn.Module]] = [[]]
    begun = False
    for layer in encoder:
        begins = any(parameter.ndim > 1 for parameter in layer.parameters())
        if begins and begun:
            stages.append([])
        begun = begun or begins
        stages[-1].append(layer)
    return [nn.Sequential(*stage) for stage in stages]


def several_stages(encoder: nn.Module, sharing: str) -> list[nn.Module]:
    """The stages of an encoder that needs at least two of them.

    Raises:
        UserError: If it has only one.
    """
    stages = stages_of(encoder)
    if len(stages) < 2:
        raise UserError(
            f"sharing {sharing!r} works between the stages of an encoder and needs at least two; give an nn.Sequential "
            f"of stages or a TableEncoder with two hidden widths, found {type(encoder).__name__} with one"
        )
    return stages


def features_of(module: nn.Module, inputs: Any) -> Tensor:
    """What an encoder, or a stage of one, gives.

    Raises:
        UserError: If that is no tensor.
    """
    features = module(inputs)
    if not isinstance(features, Tensor):
        raise UserError(
            f"encoder {_name(module)}: expected a tensor [B, D], found {_described(features)}; wrap it in a module "
            "that gives the tensor the heads are to read, such as `last_hidden_state[:, 0]` of a transformer or "
            "`output[:, -1]` of a recurrent network"
        )
    return features


def vectors_of(module: nn.Module, inputs: Any, sharing: str, width: int) -> Tensor:
    """``[B, width]`` what a stage gives to a sharing architecture that works on vectors.

    Raises:
        UserError: If it gives something else.
    """
    features = features_of(module, inputs)
    if features.ndim != 2 or features.shape[1] != width:
        raise UserError(
            f"sharing {sharing!r}: it reads vectors [B, {width}], and the stage {_name(module)} gives "
            f"{list(features.shape)}; let the encoder be one module that gives vectors, such as `output.mean(1)`, "
            "rather than an nn.Sequential of stages, and give their width by features="
        )
    return features


def _name(module: nn.Module) -> str:
    """The type of a module; of a stage that is one layer, that of the layer."""
    while isinstance(module, nn.Sequential) and len(module) == 1:
        module = module[0]
    return type(module).__name__


def _described(found: Any) -> str:
    """What an encoder gives, in words."""
    kind = type(found).__name__
    if isinstance(found, Mapping):
        return f"{kind} with {', '.join(found)}"
    if isinstance(found, tuple | list):
        return f"{kind} of {', '.join(type(part).__name__ for part in found)}"
    return kind


def output_width(module: nn.Module) -> int:
    """Width of a module's output: its ``out_features``, or that of its last layer that has it.

    Raises:
        UserError: If it cannot be told.
    """
    width = getattr(module, "out_features", None)
    if width is None:
        widths = [m.out_features for m in module.modules() if isinstance(getattr(m, "out_features", None), int)]
        width = widths[-1] if widths else None
    if not isinstance(width, int):
        raise UserError(
            f"encoder {type(module).__name__}: cannot tell the width of its output; "
            "give the encoder an attribute `out_features` or pass `features=` to MultiTaskModel"
        )
    return width


def fresh_copy(module: nn.Module) -> nn.Module:
    """A copy with separate weights, as far as its layers can make new ones (``reset_parameters``)."""
    copied = copy.deepcopy(module)
    for part in reversed(list(copied.modules())):  # a layer's own parts before the layer
        if callable(reset := getattr(part, "reset_parameters", None)):
            reset()
    return copied
