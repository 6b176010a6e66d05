"""What the stages of an encoder find in a forward pass."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from ...errors import UserError
from ...models import MultiTaskModel, TaskEncoder, stages_of
from ...models.stages import output_width


class Taps:
    """Outputs of the last stages of an encoder in its last forward pass.

    Args:
        encoder: The encoder.
        layers: How many stages, from the last; None for all.

    Example:
        >>> import torch
        >>> encoder = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU())
        >>> taps = Taps(encoder, None)
        >>> _ = encoder(torch.zeros(5, 2))
        >>> [part.shape for part in taps.read()]
        [torch.Size([5, 4]), torch.Size([5, 3])]
    """

    def __init__(self, encoder: nn.Module, layers: int | None) -> None:
        self.stages = stages_of(encoder)[-layers if layers else 0 :]
        # A stage of a sequence is a new list of its layers, which does not itself run.
        self.modules = (
            [cast(nn.Sequential, s)[-1] for s in self.stages] if isinstance(encoder, nn.Sequential) else [encoder]
        )
        self._found: dict[int, Tensor] = {}
        self._hooks = [module.register_forward_hook(self._keep(i)) for i, module in enumerate(self.modules)]

    @classmethod
    def of_model(cls, model: MultiTaskModel, layers: int, who: str) -> Taps:
        """The last stages of a student's encoder.

        Raises:
            UserError: If there are not that many stages that all tasks share.
        """
        found = 1 if isinstance(model.encoder, TaskEncoder) else len(stages_of(model.encoder))
        if found < layers:
            raise UserError(f"{who}: taps={layers} needs as many stages of an encoder that all tasks share, found "
                            f"{found} with sharing {model.sharing!r}; give an nn.Sequential, or taps=1")  # fmt: skip
        return cls(model.encoder, layers)

    def widths(self) -> list[int]:
        """Numbers of features at every tap."""
        return [output_width(stage) for stage in self.stages]

    def _keep(self, number: int) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            self._found[number] = output

        return hook

    def read(self) -> list[Tensor]:
        """The outputs, in the order of the layers."""
        return [self._found[number] for number in range(len(self.modules))]

    def remove(self) -> None:
        """Leave the encoder as it was."""
        for hook in self._hooks:
            hook.remove()
        self._found.clear()


def pooled(features: Tensor) -> Tensor:
    """``[B, D]``; features of images ``[B, D, ...]`` are averaged over positions."""
    return features.flatten(2).mean(2) if features.ndim > 2 else features
