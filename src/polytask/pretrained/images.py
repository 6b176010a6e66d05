"""A column of paths as images of one size: bytes in memory, or files that are read when a batch wants them."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ..data import FileInput
from ..errors import UserError, used_up
from ..extras import require

#: Share of the machine's memory that images, or frozen features of words, may take.
MEMORY_SHARE = 0.25
#: Instead of a missing image.
GREY = 128
SHOWN = 5
#: Files that are read at the same time.
READERS = 8
#: What images may be that come as bytes, from somebody else perhaps, and how large: few bytes may hold many pixels.
FORMATS, MOST_PIXELS = ("PNG", "JPEG", "WEBP"), 1 << 25


@dataclass(frozen=True)
class ImageFiles(FileInput):
    """Images in files, which are read and brought to one size when they are wanted.

    Attributes:
        names: Paths from the folder, or what the files hold, of all rows of a table; empty or None gives grey.
        folder: Where they are.
        size: Height and width to which images are stretched or shrunk.
        where: Name of the column in messages.
        rows: ``[n]`` int64, the rows that these are, None for all.
        device: Where batches go.
    """

    names: tuple[str | bytes | None, ...]
    folder: Path
    size: int
    where: str = "images"
    rows: Tensor | None = None
    device: torch.device | str = "cpu"

    def __len__(self) -> int:
        return len(self.names) if self.rows is None else len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of a tensor: ``(n, 3, size, size)``."""
        return len(self), 3, self.size, self.size

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.size} {self.folder} {self.names}".encode()).hexdigest()

    def __getitem__(self, ids: Tensor | slice) -> Tensor:
        """``[B, 3, size, size]`` bytes, red, green and blue.

        Raises:
            UserError: If files are no images; all of them in one message.
        """
        rows = self._rows(ids).tolist()
        images = np.full((len(rows), 3, self.size, self.size), GREY, np.uint8)
        with ThreadPoolExecutor(READERS) as readers:  # decoding leaves the interpreter's lock alone
            read = list(readers.map(_read_into, images, map(self._source, rows)))
        if broken := [row for row, good in zip(rows, read, strict=True) if not good]:
            what = "files are no images, or damaged"
            raise UserError(f"{self.where}: {self._several(broken, what)}; correct or remove them")
        return torch.from_numpy(images).to(self.device)

    def only(self, ids: Tensor) -> ImageFiles:
        return replace(self, rows=self._rows(ids))

    def to(self, device: torch.device | str) -> ImageFiles:
        return replace(self, device=device)

    def check_present(self) -> None:
        """Raise if files are missing.

        Raises:
            UserError: It names them.
        """
        sources = map(self._source, range(len(self.names)))
        if missing := [row for row, path in enumerate(sources) if isinstance(path, Path) and not path.is_file()]:
            raise UserError(f"{self.where}: {self._several(missing, 'files are missing')} in {self.folder}; "
                            "paths are relative to the table's folder")  # fmt: skip

    def _source(self, row: int) -> Path | bytes | None:
        name = self.names[row]
        return self.folder / name if isinstance(name, str) and name else name or None

    def _rows(self, ids: Tensor | slice) -> Tensor:
        rows = torch.arange(len(self.names)) if self.rows is None else self.rows
        return rows[ids if isinstance(ids, slice) else ids.cpu()]

    def _several(self, rows: Sequence[int], what: str) -> str:
        named = [(row, name if isinstance(name := self.names[row], str) else "bytes") for row in rows[:SHOWN]]
        shown = ", ".join(f"{name} (row {row + 1})" for row, name in named)
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        return f"{len(rows)} {what}: {shown}{more}"


@dataclass(frozen=True)
class ImageReader:
    """How a column of paths becomes images.

    Attributes:
        column: Its name; empty if images come as arrays.
        size: Height and width to which images are stretched or shrunk.
        items: There is a target for every position of an image.
    """

    column: str
    size: int
    items: bool = False

    def __call__(self, table: pa.Table, folder: Path, *, where: str = "table") -> Tensor | ImageFiles:
        """``[n, 3, size, size]`` bytes, red, green and blue; grey where the cell is empty. Files that are read when
        they are wanted, if this would take more than a quarter of the memory.

        Args:
            table: Has the column, of paths or of what such files hold (bytes).
            folder: What paths are relative to: that of the table.
            where: Name of the table in messages.

        Raises:
            UserError: If files are missing or are no images (all of them in one message).
        """
        files = self.files(table, folder, where=where)
        return files[:] if self.fits(len(files)) else files

    def files(self, table: pa.Table, folder: Path, *, where: str = "table") -> ImageFiles:
        """The same, of which none is read yet."""
        require("images", "PIL", needed_by="a column of images")
        column = table[self.column]
        names = tuple((column if pa.types.is_binary(column.type) else column.cast(pa.string())).to_pylist())
        files = ImageFiles(names, folder, self.size, f"{where}: column {self.column!r}")
        files.check_present()
        return files

    def blocks(self, table: pa.Table, folder: Path, rows: int, *, where: str = "table") -> Iterator[Tensor]:
        """The same, this many rows at a time; at least one block comes."""
        files = self.files(table, folder, where=where)
        for start in range(0, max(1, len(files)), rows):
            yield files[start : start + rows]

    def bytes(self, rows: int) -> int:
        """What this many images take in memory."""
        return rows * 3 * self.size**2

    def fits(self, rows: int) -> bool:
        """Whether this many images are held in memory."""
        return self.bytes(rows) <= MEMORY_SHARE * memory_bytes()


def memory_bytes() -> int:
    """Of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _read_into(pixels: np.ndarray, source: Path | bytes | None) -> bool:
    """Whether there was an image in the file; without one, nothing is changed."""
    from PIL import Image

    if source is None:
        return True
    try:
        file, known = (io.BytesIO(source), FORMATS) if isinstance(source, bytes) else (source, None)
        with Image.open(file, formats=known) as image:
            if known and image.width * image.height > MOST_PIXELS:
                return False
            small = image.convert("RGB").resize(pixels.shape[1:], Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if used_up(error):
            raise
        return False
    pixels[:] = np.asarray(small).transpose(2, 0, 1)
    return True
