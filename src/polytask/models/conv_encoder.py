"""A small convolutional encoder for images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


class ConvEncoder(nn.Module):
    """Stages of a 3 x 3 convolution with stride 2, group normalisation and ReLU, then the mean over positions.

    Args:
        channels: Of the images.
        hidden: Channels after each stage; multiples of 8.
        items: For tasks with a target per pixel: the stages are also climbed up again, with the features of the way
            down added (as in a U-Net), to half of the image's height and width.

    Attributes:
        out_features: Width of the features.

    Example:
        >>> images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
        >>> ConvEncoder()(images).shape, ConvEncoder(items=True)(images).shape
        (torch.Size([2, 128]), torch.Size([2, 257, 32]))
    """

    def __init__(self, *, channels: int = 3, hidden: Sequence[int] = (32, 64, 128), items: bool = False) -> None:
        super().__init__()
        widths = [channels, *hidden]
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(_stage(before, after, 2) for before, after in pairs)
        self.up = nn.ModuleList(_stage(after, before, 1) for before, after in reversed(pairs[1:])) if items else None
        self.last = nn.Linear(hidden[-1], hidden[0]) if items else None
        self.out_features = hidden[0] if items else hidden[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Images ``[B, channels, H, W]``, bytes or floats from -1 to 1, to ``[B, D]``.

        With ``items`` to ``[B, 1 + H/2 * W/2, D]``: the whole image first, then its positions row by row.
        """
        found = images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images
        passed = []
        for stage in self.down:
            found = stage(found)
            passed.append(found)
        whole = found.mean((2, 3))
        if self.up is None or self.last is None:
            return whole
        for stage, beside in zip(self.up, reversed(passed[:-1]), strict=True):
            found = interpolate(stage(found), size=beside.shape[2:]) + beside
        return torch.cat([self.last(whole)[:, None], found.flatten(2).transpose(1, 2)], 1)


def _stage(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.GroupNorm(8, after), nn.ReLU())
