"""An encoder as a sequence of stages, for architectures that share some of them."""

from __future__ import annotations

import copy

from torch import nn

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
    """A copy with weights of its own, as far as its layers can make new ones (``reset_parameters``)."""
    copied = copy.deepcopy(module)
    for part in reversed(list(copied.modules())):  # a layer's own parts before the layer
        if callable(reset := getattr(part, "reset_parameters", None)):
            reset()
    return copied
