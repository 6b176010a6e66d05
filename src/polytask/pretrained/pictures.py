"""A column of paths as pictures of one size, in memory as bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ..errors import UserError
from ..extras import require

#: Share of the machine's memory that pictures, or frozen features of words, may take.
MEMORY_SHARE = 0.25
#: In place of a missing picture.
GREY = 128
SHOWN = 5


@dataclass(frozen=True)
class PictureReader:
    """How a column of paths becomes pictures.

    Attributes:
        column: Its name.
        size: Height and width to which pictures are stretched or shrunk.
    """

    column: str
    size: int

    def __call__(self, table: pa.Table, folder: Path, *, where: str = "table") -> Tensor:
        """``[n, 3, size, size]`` bytes, red, green and blue; grey where the cell is empty.

        Args:
            table: Has the column.
            folder: What paths are relative to: that of the table.
            where: Name of the table in messages.

        Raises:
            UserError: If files are missing or are no pictures (all of them in one message), or the pictures take more
                than a quarter of the memory.
        """
        self._check_memory(table.num_rows, where)
        return next(self.blocks(table, folder, max(1, table.num_rows), where=where))

    def blocks(self, table: pa.Table, folder: Path, rows: int, *, where: str = "table") -> Iterator[Tensor]:
        """The same, so many rows at a time; at least one block comes."""
        require("images", "PIL", needed_by="a column of pictures")
        cells = table[self.column].cast(pa.string()).to_pylist()
        at = f"{where}: column {self.column!r}"
        paths = [folder / cell if cell else None for cell in cells]
        missing = [row for row, path in enumerate(paths) if path is not None and not path.is_file()]
        if missing:
            raise UserError(f"{at}: {_several(missing, cells, 'files are missing')} in {folder}; "
                            "paths are relative to the table's folder")  # fmt: skip
        for start in range(0, max(1, len(paths)), rows):
            part = paths[start : start + rows]
            pictures = np.full((len(part), 3, self.size, self.size), GREY, np.uint8)
            broken = [start + i for i, path in enumerate(part) if path and not _read_into(pictures[i], path)]
            if broken:
                what = "files are no pictures, or damaged"
                raise UserError(f"{at}: {_several(broken, cells, what)}; mend or remove them")
            yield torch.from_numpy(pictures)

    def bytes(self, rows: int) -> int:
        """What so many pictures take in memory."""
        return rows * 3 * self.size**2

    def _check_memory(self, rows: int, where: str) -> None:
        memory = memory_bytes()
        if self.bytes(rows) > MEMORY_SHARE * memory:
            raise UserError(
                f"{where}: {rows:,} pictures of {self.size} x {self.size} take {self.bytes(rows) / 2**30:.1f} GiB, "
                f"more than a quarter of the memory ({memory / 2**30:.0f} GiB); give the encoder a smaller `size`, or "
                "write them to a folder of arrays (polytask.data.arrays.ArrayWriter), which is read from disk"
            )


def memory_bytes() -> int:
    """Of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _several(rows: Sequence[int], cells: Sequence[str], what: str) -> str:
    shown = ", ".join(f"{cells[row]} (row {row + 1})" for row in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"{len(rows)} {what}: {shown}{more}"


def _read_into(picture: np.ndarray, path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as image:
            small = image.convert("RGB").resize(picture.shape[1:], Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    picture[:] = np.asarray(small).transpose(2, 0, 1)
    return True
