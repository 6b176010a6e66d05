"""Taskonomy as a folder of arrays: five dense targets of indoor views (Zamir et al., CVPR 2018).

    python benchmarks/datasets/taskonomy.py TASKONOMY taskonomy
    polytask compare benchmarks/datasets/taskonomy.yaml --set base.data.table=taskonomy --out studies/taskonomy

TASKONOMY holds ``rgb/`` and the folders of the targets, each with one folder per building, and the official split.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from official import check_layout, read_image, read_png

from polytask import Task
from polytask.data.arrays import ArrayWriter
from polytask.errors import UserError

#: Folder of each target; views are ``<folder>/<building>/point_<p>_view_<v>_domain_<name>.png``.
FOLDERS = {
    "segmentation": "segment_semantic",
    "depth": "depth_zbuffer",
    "normals": "normal",
    "keypoints": "keypoints2d",
    "edges": "edge_texture",
}
INPUT = "rgb"
SOURCE = "http://taskonomy.stanford.edu"
#: Stored classes of the segmentation are 1 to 16; 0 is unknown.
CLASSES = tuple(str(value) for value in range(1, 17))
#: Depth is stored in 1/512 m; the largest number means that there is none.
DEPTH_UNIT, NO_DEPTH = 512.0, 65535
PARTS = {"train": "train", "validation": "val", "test": "test"}
_VIEW = re.compile(r"(point_\d+_view_\d+)_domain_\w+\.png")
View = dict[str, Path]


def taskonomy(
    raw: Path,
    out: Path,
    split: str = "train_val_test_tiny.csv",
    tasks: Sequence[str] = tuple(FOLDERS),
    size: int = 64,
    most: int = 4000,
) -> None:
    """Segmentation (a class per pixel), depth, normals, keypoints and edges (numbers per pixel) of indoor views.

    A view counts if its input and all targets are there.

    Args:
        raw: The official folder.
        out: Where the arrays go.
        split: The official split: a file with the columns id, train, val, test.
        tasks: Which targets.
        size: Images are scaled to ``size x size``, targets to half of that.
        most: Views of each part, spread evenly over its buildings' views.

    Raises:
        UserError: All that is missing at once.
    """
    check_layout(raw, [INPUT, *(FOLDERS[task] for task in tasks), split], SOURCE)
    parts = {part: _views(raw, raw / split, column, tasks, most) for part, column in PARTS.items()}
    made = [_task(task) for task in tasks]
    pixels = (size // 2) ** 2
    writer = ArrayWriter(out, made, {part: len(views) for part, views in parts.items()}, (3, size, size),
                         lengths={t.name: pixels * (3 if t.name == "normals" else 1) for t in made})  # fmt: skip
    for row, files in enumerate(files for views in parts.values() for files in views):
        targets = {task: decode(task, read_png(files[task], size // 2), files[task]) for task in tasks}
        writer.put(row, read_image(files[INPUT], size), targets)
    writer.close()


def _task(name: str) -> Task:
    if name == "segmentation":
        return Task(name, kind="tags", classes=CLASSES, metric="token_accuracy")
    return Task(name, kind="dense", classes=("x", "y", "z") if name == "normals" else ())


def _views(raw: Path, split: Path, column: str, tasks: Sequence[str], most: int) -> list[View]:
    """Files of the input and of each target, view by view."""
    with split.open(newline="") as stream:
        buildings = [row["id"] for row in csv.DictReader(stream) if row.get(column) == "1"]
    places = {INPUT: raw / INPUT} | {task: raw / FOLDERS[task] for task in tasks}
    found: list[View] = []
    for building in buildings:
        files = {name: _files(place / building) for name, place in places.items()}
        complete = sorted(set.intersection(*(set(of) for of in files.values())))
        found += [{name: of[view] for name, of in files.items()} for view in complete]
    if not found:
        raise UserError(f"{split}: no complete view in the buildings of {column}: {', '.join(buildings) or 'none'}")
    return found if len(found) <= most else [found[i] for i in np.linspace(0, len(found) - 1, most).astype(int)]


def _files(folder: Path) -> dict[str, Path]:
    return {match[1]: path for path in folder.glob("*.png") if (match := _VIEW.fullmatch(path.name))}


def decode(task: str, raw: np.ndarray, path: Path) -> np.ndarray:
    """A target from its stored numbers, NaN where it is unknown.

    Args:
        task: Which target.
        raw: ``[H, W]`` or ``[H, W, C]``.
        path: For messages.

    Returns:
        ``segmentation``: ``[H, W]`` positions in :data:`CLASSES`; ``depth``: ``[H, W]`` metres; ``normals``:
        ``[H, W, 3]`` from -1 to 1; ``keypoints`` and ``edges``: ``[H, W]`` from 0 to 1.

    Example:
        >>> decode("depth", np.array([[1024, 65535]]), Path("a.png"))
        array([[ 2., nan]], dtype=float32)
    """
    values = raw.astype(np.float32)
    if task == "segmentation":
        if raw.max() > len(CLASSES):
            raise UserError(f"{path}: expected classes 0 to {len(CLASSES)}, found {raw.max()}")
        return np.where(raw > 0, values - 1, np.nan)
    if task == "normals":
        known = (raw[..., :3] != 0).any(-1, keepdims=True)
        return np.where(known, values[..., :3] / 127.5 - 1, np.nan)
    return np.where(raw < NO_DEPTH, values / DEPTH_UNIT, np.nan) if task == "depth" else values / 65535


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path, metavar="TASKONOMY")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--split", default="train_val_test_tiny.csv", help="file with the official split")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--most", type=int, default=4000, help="views of each part")
    args = parser.parse_args()
    taskonomy(args.raw, args.out, args.split, size=args.size, most=args.most)


if __name__ == "__main__":
    main()
