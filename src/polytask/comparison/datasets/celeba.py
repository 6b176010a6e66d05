"""CelebA in its official layout: faces with 40 attributes (Liu et al., ICCV 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...data import Rows
from ...errors import UserError, did_you_mean, raise_all
from ...extras import require

#: The nine attributes of TAG (Fifty et al., NeurIPS 2021).
TAG_NINE = (
    "5_o_Clock_Shadow", "Black_Hair", "Blond_Hair", "Brown_Hair", "Goatee",
    "Mustache", "No_Beard", "Rosy_Cheeks", "Wearing_Hat",
)  # fmt: skip
PARTS = ("train", "validation", "test")
FOLDER, ATTRIBUTES, PARTITION = "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"


@dataclass(frozen=True)
class Images:
    """Pictures on disk as inputs of :class:`polytask.Rows`: decoded when a batch takes them.

    Attributes:
        paths: ``[n]`` files.
        size: Height and width that they are scaled to.
        device: Where batches go.
    """

    paths: np.ndarray
    size: int
    device: torch.device | str = "cpu"

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """``[B, 3, size, size]`` float32 from -1 to 1."""
        chosen = self.paths[rows if isinstance(rows, slice) else rows.cpu().numpy()]
        pictures = np.stack([read_image(path, self.size) for path in chosen]) if len(chosen) else self._none()
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).to(self.device).float() / 127.5 - 1

    def to(self, device: torch.device | str) -> Images:
        """The same, with batches on another device."""
        return replace(self, device=device)

    def _none(self) -> np.ndarray:
        return np.zeros((0, self.size, self.size, 3), np.uint8)


def celeba(
    folder: Path, attributes: Sequence[str] | None = TAG_NINE, size: int = 64
) -> tuple[list[str], dict[str, Rows]]:
    """Names of the attributes, and rows by part of the official partition.

    Args:
        folder: Holds ``img_align_celeba/``, ``list_attr_celeba.txt`` and ``list_eval_partition.txt``; to be had from
            https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html for research.
        attributes: Which; None for all 40.
        size: Pictures are scaled to ``size x size``.

    Raises:
        UserError: All that is missing at once.
    """
    missing = [name for name in (FOLDER, ATTRIBUTES, PARTITION) if not (folder / name).exists()]
    raise_all([f"{folder / name}: not found; CelebA's official layout has it" for name in missing])
    lines = (folder / ATTRIBUTES).read_text().splitlines()
    known = lines[1].split()
    names = list(known if attributes is None else attributes)
    unknown = [name for name in names if name not in known]
    raise_all([f"{folder / ATTRIBUTES}: no attribute {name!r}; {did_you_mean(name, known)}" for name in unknown])
    labels = {cells[0]: cells[1:] for line in lines[2:] if (cells := line.split())}
    places = [known.index(name) for name in names]
    rows = {}
    partition = [line.split() for line in (folder / PARTITION).read_text().splitlines() if line.strip()]
    for code, part in enumerate(PARTS):
        files = [name for name, found in partition if int(found) == code and name in labels]
        if not files:
            raise UserError(f"{folder / PARTITION}: no picture in part {code} ({part})")
        targets = np.array([[int(labels[file][place]) > 0 for place in places] for file in files], np.float32)
        images = Images(np.array([str(folder / FOLDER / file) for file in files]), size)
        rows[part] = Rows.from_matrix(images, torch.from_numpy(targets))
    return names, rows


def read_image(path: str | Path, size: int) -> np.ndarray:
    """``[size, size, 3]`` bytes.

    Raises:
        UserError: If the file is missing or damaged, or Pillow is not installed.
    """
    require("images", "PIL", needed_by="a data set of pictures")
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"{path}: not readable as a picture ({error}); get the file again") from None
