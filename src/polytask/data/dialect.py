"""How a file of text separates its cells, and where its names are."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, cast

#: Marks of byte order with which UTF-16 begins.
UTF16 = (b"\xff\xfe", b"\xfe\xff")
#: Encodings other than UTF-8 that are read, and what is reported.
ENCODINGS = {
    "utf-16": "is encoded as UTF-16",
    "cp1252": "is not UTF-8; read as Windows-1252 (Latin-1), as Excel writes it; save it as UTF-8 if letters look "
    "wrong",
}
#: Separators that are tried, and what they are called.
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
#: Tried where nothing else separates cells and the names are quoted, as `write.table` of R writes them.
_BLANK = " "
#: Characters of the file that are looked at, and lines of them.
_START, _LINES = 1 << 16, 200
#: Lines above the names, such as a title.
_MOST_ABOVE = 10


@dataclass(frozen=True)
class Dialect:
    """How a file of text is to be read.

    Attributes:
        separator: Between cells.
        above: Lines above the names.
        names: Names of the columns where the line of names lacks that of the first, which holds row names.
        columns: The cells of the line of names, as they are written; empty if they are not known.
        encoding: Of the text, see :data:`ENCODINGS`.
    """

    separator: str = ","
    above: int = 0
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = field(default=(), repr=False, compare=False)
    encoding: str = field(default="utf-8", repr=False)

    def describe(self) -> list[str]:
        """What is unusual about it, for the user to read."""
        said = [] if self.encoding == "utf-8" else [ENCODINGS[self.encoding]]
        if self.separator != ",":
            said.append(f"cells are separated by {SEPARATORS.get(self.separator, 'blanks')}")
        if self.above:
            said.append(f"{self.above} line{'s' * (self.above > 1)} above the column names skipped")
        if self.names:
            said.append("a column has no name (row names)")
        return said


def detect(path: Path) -> Dialect:
    """The dialect of a file, by its first lines: the separator by which all of them have equally many cells, several.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "table.csv"
        >>> _ = path.write_text("sep=;\\nx;y\\n1,5;2\\n")
        >>> detect(path)
        Dialect(separator=';', above=1, names=())
    """
    text, encoding = _start(path)
    found = replace(_detected(text), encoding=encoding)
    rows, starts = _rows(text, found.separator)
    at = next((row for row, start in zip(rows, starts, strict=True) if start >= found.above), [])
    return replace(found, columns=found.names or tuple(at))


def _detected(text: str) -> Dialect:
    lines = text.lstrip("\ufeff").splitlines()[:1]
    if lines and lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:
        return Dialect(lines[0].strip()[-1] if lines[0].strip()[-1] in SEPARATORS else ",", above=1)
    fitted = [found for separator in SEPARATORS if (found := _fitted(*_rows(text, separator), separator)) is not None]
    if not fitted and _from_r(text):
        fitted = [found for found in [_fitted(*_rows(text, _BLANK), _BLANK)] if found is not None]
    return max(fitted, key=lambda found: found[:2])[2] if fitted else _by_names(text)


def _from_r(text: str) -> bool:
    """Whether names are quoted, and are several or stand above quoted row names."""
    lines = text.lstrip("\ufeff").splitlines()[:2]
    quoted = [line.startswith('"') for line in lines]
    return len(lines) == 2 and quoted[0] and (quoted[1] or '" "' in lines[0])


def _start(path: Path) -> tuple[str, str]:
    """The first lines, and the encoding."""
    with opened(path) as file:
        found = file.read(_START)
        while b"\n" not in found.strip()[:-1].rstrip() and (more := file.read(16 * _START)):  # a long line of names
            found += more
            if len(found) > 1 << 26:
                break
    encoding = _encoding(path)
    return found.decode(encoding, errors="replace"), encoding


def opened(path: Path) -> BinaryIO:
    """The bytes of the text, also of a compressed file."""
    return cast("BinaryIO", gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")


def _encoding(path: Path) -> str:
    """UTF-16 by its mark; else the first character beyond ASCII, wherever it is, is one of UTF-8 or of Windows-1252.

    So a damaged file of UTF-8 is not taken for another encoding.
    """
    with opened(path) as file:
        block = file.read(_START)
        if block.startswith(UTF16):
            return "utf-16"
        while block.isascii():
            if not (block := file.read(16 * _START)):
                return "utf-8"
        at = next(place for place, byte in enumerate(block) if byte > 127)
        begun = block[at : at + 4] + file.read(3)
    return "utf-8" if any(_is_utf8(begun[:length]) for length in (2, 3, 4)) else "cp1252"


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _rows(text: str, separator: str) -> tuple[list[list[str]], list[int]]:
    """Cells of the first rows, and the line that each begins with; without the last, which may be half, if others are.

    Blank lines are no rows.
    """
    limit = csv.field_size_limit(1 << 30)
    rows: list[list[str]] = []
    starts: list[int] = []
    line = 0
    try:
        reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=separator)
        for row in reader:
            if row and len(rows) < _LINES:
                rows.append(row)
                starts.append(line)
            line = reader.line_num
    except csv.Error:
        return [], []
    finally:
        csv.field_size_limit(limit)
    whole = len(rows) if text.endswith("\n") or len(rows) < 3 else -1
    return rows[:whole], starts[:whole]


def _fitted(rows: list[list[str]], starts: list[int], separator: str) -> tuple[bool, int, Dialect] | None:
    """The dialect by which all rows below the names have as many cells as the last, at least two; else None.

    Returns:
        Whether the names are in the first line and have as many cells, the number of cells, and the dialect.
    """
    if len(rows) < 2 or len(rows[-1]) < 2:
        return None
    width, above = len(rows[-1]), 0
    while above < min(_MOST_ABOVE, len(rows) - 2) and sum(map(bool, rows[above])) == 1:
        above += 1
    if any(len(row) != width for row in rows[above + 1 :]):
        return None
    if len(rows[above]) == width:
        return above == 0, width, Dialect(separator, starts[above])
    if len(rows[0]) == width - 1 > 0 and above == 0:
        without = not any(row[-1] for row in rows[1:])  # a separator at the end of every row
        names = (*rows[0], "") if without else ("", *rows[0])
        return False, width, Dialect(separator, 0, names)
    return None


def _by_names(text: str) -> Dialect:
    """By the line of names alone, where rows have different lengths (which is reported) or there are none."""
    line = text.lstrip("\ufeff").split("\n", 1)[0]
    counts = {separator: line.count(separator) for separator in SEPARATORS}
    best = max(counts, key=lambda separator: counts[separator])
    return Dialect(best if counts[","] == 0 and counts[best] else ",")
