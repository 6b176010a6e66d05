"""CelebA as a folder of arrays: faces with 40 attributes (Liu et al., ICCV 2015).

    python benchmarks/datasets/celeba.py CELEBA celeba
    polytask compare benchmarks/datasets/celeba.yaml --set base.data.table=celeba --out studies/celeba

CELEBA holds ``img_align_celeba/``, ``list_attr_celeba.txt`` and ``list_eval_partition.txt``, which have to be requested
from the authors.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from official import check_layout, read_image

from polytask import Task
from polytask.data import PARTS
from polytask.data.arrays import ArrayWriter
from polytask.errors import UserError, did_you_mean, raise_all

#: The nine attributes of TAG (Fifty et al., NeurIPS 2021).
TAG_NINE = (
    "5_o_Clock_Shadow", "Black_Hair", "Blond_Hair", "Brown_Hair", "Goatee",
    "Mustache", "No_Beard", "Rosy_Cheeks", "Wearing_Hat",
)  # fmt: skip
FOLDER, ATTRIBUTES, PARTITION = "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"
SOURCE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"


def celeba(
    raw: Path, out: Path, attributes: Sequence[str] | None = TAG_NINE, size: int = 64, most: int | None = None
) -> None:
    """Yes or no for each attribute, on the official partition.

    Args:
        raw: The official folder.
        out: Where the arrays go.
        attributes: Which; None for all 40.
        size: Images are scaled to ``size x size``.
        most: Images of each part, the first ones; None for all.

    Raises:
        UserError: All that is missing at once.
    """
    check_layout(raw, (FOLDER, ATTRIBUTES, PARTITION), SOURCE)
    lines = (raw / ATTRIBUTES).read_text().splitlines()
    known = lines[1].split()
    names = list(known if attributes is None else attributes)
    unknown = [name for name in names if name not in known]
    raise_all([f"{raw / ATTRIBUTES}: no attribute {name!r}; {did_you_mean(name, known)}" for name in unknown])
    labels = {cells[0]: cells[1:] for line in lines[2:] if (cells := line.split())}
    parts = _partition(raw / PARTITION, labels, most)
    writer = ArrayWriter(out, [Task(name, metric="accuracy") for name in names],
                         {part: len(files) for part, files in parts.items()}, (3, size, size))  # fmt: skip
    files = [file for found in parts.values() for file in found]
    columns = [known.index(name) for name in names]
    for row, file in enumerate(files):
        found = {name: float(int(labels[file][column]) > 0) for name, column in zip(names, columns, strict=True)}
        writer.put(row, read_image(raw / FOLDER / file, size), found)
    writer.close()


def _partition(path: Path, labels: dict[str, list[str]], most: int | None) -> dict[str, list[str]]:
    """Names of files by part."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    parts = {}
    for code, part in enumerate(PARTS):
        parts[part] = [name for name, found in lines if int(found) == code and name in labels][:most]
        if not parts[part]:
            raise UserError(f"{path}: no image in part {code} ({part})")
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path, metavar="CELEBA")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--all", action="store_true", help="all 40 attributes instead of the nine of TAG")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--most", type=int, help="images of each part")
    args = parser.parse_args()
    celeba(args.raw, args.out, None if args.all else TAG_NINE, args.size, args.most)


if __name__ == "__main__":
    main()
