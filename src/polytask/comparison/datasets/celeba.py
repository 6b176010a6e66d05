"""CelebA in its official layout: faces with 40 attributes (Liu et al., ICCV 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...data import PARTS
from ...data.arrays import ArrayWriter, is_arrays
from ...display.display import Display
from ...errors import UserError, did_you_mean, raise_all
from ...task import Task
from .files import arrays_folder, official_folder
from .pictures import ENCODER, read_image

#: The nine attributes of TAG (Fifty et al., NeurIPS 2021).
TAG_NINE = (
    "5_o_Clock_Shadow", "Black_Hair", "Blond_Hair", "Brown_Hair", "Goatee",
    "Mustache", "No_Beard", "Rosy_Cheeks", "Wearing_Hat",
)  # fmt: skip
FOLDER, ATTRIBUTES, PARTITION = "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"
SOURCE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"


def celeba(
    out: Path,
    display: Display,
    *,
    folder: str | None = None,
    attributes: Sequence[str] | None = TAG_NINE,
    size: int = 64,
    most: int | None = None,
) -> dict[str, Any]:
    """Yes or no for each attribute, on the official partition.

    Images are decoded once, into a folder of arrays.

    Args:
        out: Where that goes.
        display: Is told that this takes its time.
        folder: Holds ``img_align_celeba/``, ``list_attr_celeba.txt`` and ``list_eval_partition.txt``; ``celeba`` below
            the folder that ``POLYTASK_DATA`` names by default.
        attributes: Which; None for all 40.
        size: Images are scaled to ``size x size``.
        most: Images of each part, the first ones; None for all.

    Raises:
        UserError: All that is missing at once.
    """
    raw = official_folder("celeba", folder, (FOLDER, ATTRIBUTES, PARTITION), SOURCE)
    lines = (raw / ATTRIBUTES).read_text().splitlines()
    known = lines[1].split()
    names = list(known if attributes is None else attributes)
    unknown = [name for name in names if name not in known]
    raise_all([f"{raw / ATTRIBUTES}: no attribute {name!r}; {did_you_mean(name, known)}" for name in unknown])
    keys = {"targets": names, "encoder": {"class": ENCODER}}
    arrays = arrays_folder(out, "celeba", [names, size, most], [raw / ATTRIBUTES, raw / PARTITION])
    if not is_arrays(arrays):
        labels = {cells[0]: cells[1:] for line in lines[2:] if (cells := line.split())}
        parts = _partition(raw / PARTITION, labels, most)
        writer = ArrayWriter(arrays, [Task(name, metric="accuracy") for name in names],
                             {part: len(files) for part, files in parts.items()}, (3, size, size))  # fmt: skip
        files = [file for found in parts.values() for file in found]
        display.say(f"celeba: {len(files):,} images are read and scaled to {size} x {size}, once")
        places = [known.index(name) for name in names]
        for row, file in enumerate(files):
            found = {name: float(int(labels[file][p]) > 0) for name, p in zip(names, places, strict=True)}
            writer.put(row, read_image(raw / FOLDER / file, size), found)
        writer.close()
    return {"data": str(arrays), **keys}


def _partition(path: Path, labels: dict[str, list[str]], most: int | None) -> dict[str, list[str]]:
    """Names of files by part."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    parts = {}
    for code, part in enumerate(PARTS):
        parts[part] = [name for name, found in lines if int(found) == code and name in labels][:most]
        if not parts[part]:
            raise UserError(f"{path}: no image in part {code} ({part})")
    return parts
