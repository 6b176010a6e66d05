"""Taskonomy in its official layout: five dense targets of indoor views (Zamir et al., CVPR 2018)."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import UserError, raise_all
from ...extras import require

#: Folder of each target; views are ``<folder>/<building>/point_<p>_view_<v>_domain_<name>.png``.
FOLDERS = {
    "segmentation": "segment_semantic",
    "depth": "depth_zbuffer",
    "normals": "normal",
    "keypoints": "keypoints2d",
    "edges": "edge_texture",
}
INPUT = "rgb"
#: Depth is stored in 1/512 m; the largest number means that there is none.
DEPTH_UNIT, NO_DEPTH = 512.0, 65535
_VIEW = re.compile(r"(point_\d+_view_\d+)_domain_\w+\.png")


@dataclass(frozen=True)
class TaskonomyViews:
    """Views of some buildings, decoded when they are asked for.

    Attributes:
        views: ``(building, point and view)``.
        files: Per view the file of the input and of each target.
        size: Height and width that views are scaled to (nearest pixel, so that no value is made up).
    """

    views: list[tuple[str, str]]
    files: list[dict[str, Path]]
    size: int

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, number: int) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Input ``[3, size, size]`` from -1 to 1; targets; and where each is known, ``[size, size]`` bool.

        ``segmentation`` is ``[size, size]`` classes, 0 is unknown; ``depth`` ``[1, size, size]`` metres; ``normals``
        ``[3, size, size]`` from -1 to 1; ``keypoints`` and ``edges`` ``[1, size, size]`` from 0 to 1.
        """
        raw = {name: read_png(path, self.size) for name, path in self.files[number].items()}
        targets, known = {}, {}
        for name in self.files[number]:
            if name != INPUT:
                targets[name], known[name] = decode(name, raw[name])
        return torch.from_numpy(raw[INPUT][..., :3].astype(np.float32)).permute(2, 0, 1) / 127.5 - 1, targets, known


def taskonomy(
    folder: Path, split: Path, tasks: Sequence[str] = tuple(FOLDERS), size: int = 256
) -> dict[str, TaskonomyViews]:
    """Views by part; a view counts if its input and all targets are there.

    Args:
        folder: Holds ``rgb/`` and the folders of the targets, each with one folder per building; to be had from
            http://taskonomy.stanford.edu for research.
        split: The official split, ``train_val_test_<size>.csv`` with the columns id, train, val, test.
        tasks: Which targets.
        size: Views are scaled to ``size x size``.

    Raises:
        UserError: All that is missing at once.
    """
    unknown = [task for task in tasks if task not in FOLDERS]
    raise_all([f"tasks: unknown target {task!r}; known: {', '.join(FOLDERS)}" for task in unknown])
    places = {INPUT: folder / INPUT} | {task: folder / FOLDERS[task] for task in tasks}
    missing = [path for path in [*places.values(), split] if not path.exists()]
    raise_all([f"{path}: not found; Taskonomy's official layout has it" for path in missing])
    with split.open(newline="") as stream:
        buildings = list(csv.DictReader(stream))
    parts = {}
    for part, column in (("train", "train"), ("validation", "val"), ("test", "test")):
        chosen = [row["id"] for row in buildings if row.get(column) == "1"]
        views, files = [], []
        for building in chosen:
            found = {name: _views(place / building) for name, place in places.items()}
            for view in sorted(set.intersection(*(set(of) for of in found.values()))):
                views.append((building, view))
                files.append({name: of[view] for name, of in found.items()})
        if not views:
            raise UserError(f"{split}: no complete view in the buildings of {part}: {', '.join(chosen) or 'none'}")
        parts[part] = TaskonomyViews(views, files, size)
    return parts


def decode(task: str, raw: np.ndarray) -> tuple[Tensor, Tensor]:
    """A target from its stored numbers, and where it is known."""
    if task == "segmentation":
        classes = torch.from_numpy(raw.astype(np.int64))
        return classes, classes > 0
    if task == "normals":
        values = torch.from_numpy(raw[..., :3].astype(np.float32)).permute(2, 0, 1)
        return values / 127.5 - 1, (values != 0).any(0)
    values = torch.from_numpy(raw.astype(np.float32))[None]
    if task == "depth":
        return values / DEPTH_UNIT, torch.from_numpy(raw < NO_DEPTH)
    return values / 65535, torch.ones(raw.shape, dtype=torch.bool)


def read_png(path: Path, size: int) -> np.ndarray:
    """``[size, size]`` or ``[size, size, C]`` with the stored numbers."""
    require("images", "PIL", needed_by="a data set of pictures")
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            stored = np.asarray(picture)
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"{path}: not readable as a picture ({error}); get the file again") from None
    rows, columns = (np.arange(size) * length // size for length in stored.shape[:2])
    return stored[rows][:, columns]


def _views(folder: Path) -> dict[str, Path]:
    return {match[1]: path for path in folder.glob("*.png") if (match := _VIEW.fullmatch(path.name))}
