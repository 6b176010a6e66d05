"""What a loop of the user's gives as shared parameters and representations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..errors import UserError


def parameters_of(shared: Tensor | nn.Module | Iterable[Any] | None) -> list[Tensor] | None:
    """The shared parameters, each once.

    Args:
        shared: One parameter or module, several of them, or names with parameters.

    Raises:
        UserError: If something else is among them, or none is trained.

    Example:
        >>> layer = nn.Linear(2, 3)
        >>> [len(parameters_of(given)) for given in (layer, layer.weight, layer.named_parameters(), [layer.bias] * 2)]
        [2, 1, 2, 1]
        >>> [len(parameters_of(given)) for given in ([layer, nn.Linear(3, 1)], dict(layer.named_parameters()))]
        [4, 2]
    """
    if shared is None:
        return None
    if isinstance(shared, Tensor | nn.Module):
        shared = [shared]
    elif isinstance(shared, Mapping):
        shared = shared.values()
    given = [parameter for part in shared for parameter in _parameters_in(part)]
    if not given:
        raise UserError(
            "shared: there are no parameters in it; a generator such as encoder.parameters() is empty after one pass: "
            "make a list of it, list(encoder.parameters())"
        )
    if not any(part.requires_grad for part in given):
        raise UserError(
            f"shared: none of the {len(given)} parameters is trained (requires_grad is False): there is nothing to "
            "balance in the shared layers; use a method that uses only losses, such as equal or uw"
        )
    return list({id(part): part for part in given}.values())


def _parameters_in(part: Any) -> Iterable[Tensor]:
    """The parameters that a member of ``shared`` stands for."""
    if isinstance(part, Tensor):
        return (part,)
    if isinstance(part, tuple) and len(part) == 2:
        return _parameters_in(part[1])
    if isinstance(part, nn.Module):
        return part.parameters()
    raise UserError(
        f"shared: expected parameters, found {type(part).__name__}; give a list such as list(encoder.parameters())"
    )


def representations_of(features: Tensor | Sequence[Tensor] | None) -> list[Tensor] | None:
    """The shared representations as a list.

    Raises:
        UserError: If one is no tensor, or has no gradient.
    """
    if features is None:
        return None
    parts = [features] if isinstance(features, Tensor) else list(features) if isinstance(features, list | tuple) else []
    if not parts or not all(isinstance(part, Tensor) for part in parts):
        raise UserError(
            f"features: expected the tensor that the heads read, or a list of such, found {type(features).__name__}; "
            "of an encoder's several outputs give the one, such as output.last_hidden_state"
        )
    if not all(part.requires_grad for part in parts):
        raise UserError(
            "features: they have no gradient: the encoder is frozen, or they were detached or computed under "
            "torch.no_grad; give the tensor that the heads read, or use a method that uses only losses"
        )
    return parts
