"""Data sets of images in the layouts of their authors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polytask.errors import UserError, raise_all
from polytask.extras import require


def check_layout(folder: Path, needed: Sequence[str], source: str) -> None:
    """Check that a folder has the files and folders of the official layout.

    Raises:
        UserError: All that is missing at once.
    """
    raise_all([f"{folder / part}: not found; the official layout has it, see {source}"
               for part in needed if not (folder / part).exists()])  # fmt: skip


def read_image(path: Path, size: int) -> np.ndarray:
    """``[3, size, size]`` bytes, scaled.

    Raises:
        UserError: If the file is missing or damaged, or Pillow is not installed.
    """
    picture = _opened(path, lambda image, library: image.convert("RGB").resize((size, size), library.BILINEAR))
    return np.ascontiguousarray(picture.transpose(2, 0, 1))


def read_png(path: Path, size: int) -> np.ndarray:
    """``[size, size]`` or ``[size, size, C]`` with the stored numbers: the nearest pixel, so that none is made up.

    Raises:
        UserError: As :func:`read_image`.
    """
    stored = _opened(path, lambda image, library: image)
    rows, columns = (np.arange(size) * length // size for length in stored.shape[:2])
    return stored[rows][:, columns]


def _opened(path: Path, change: Any) -> np.ndarray:
    require("images", "PIL", needed_by="a data set of images")
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return np.asarray(change(picture, Image.Resampling))
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"{path}: not readable as an image ({error}); get the file again") from None
