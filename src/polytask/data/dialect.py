"""How a file of text separates its cells, and where its names are."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
from collections.abc import Sequence
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
#: What a row without any value may be made of; of the separators only that of the file.
_EMPTY = b",;|\t \r\n"
#: Characters of the file that are looked at, and lines of them.
_START, _LINES = 1 << 16, 200
#: Lines above the names, such as a title.
MOST_ABOVE = 10


@dataclass(frozen=True)
class Dialect:
    """How a file of text is to be read.

    Attributes:
        separator: Between cells.
        above: Lines above the names.
        names: Names of the columns where the line of names lacks that of the first, which holds row names.
        columns: The cells of the line of names, as they are written; empty if they are not known.
        encoding: Of the text, see :data:`ENCODINGS`.
        blank: Rows at the end in which no cell is filled, as Excel writes them; they do not count.
        unclosed: Line that begins a row with a quote that is never closed, from 1; 0 if there is none.
    """

    separator: str = ","
    above: int = 0
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = field(default=(), repr=False, compare=False)
    encoding: str = field(default="utf-8", repr=False)
    blank: int = field(default=0, repr=False)
    unclosed: int = field(default=0, repr=False)

    def describe(self) -> list[str]:
        """What is unusual about it, for the user to read."""
        said = [] if self.encoding == "utf-8" else [ENCODINGS[self.encoding]]
        if self.separator != ",":
            said.append(f"cells are separated by {SEPARATORS.get(self.separator, 'blanks')}")
        if self.above:
            said.append(f"{self.above} line{'s' * (self.above > 1)} above the column names skipped")
        if self.names:
            said.append("a column has no name (row names)")
        if self.blank:
            said.append(f"{self.blank:,} row{'s' * (self.blank > 1)} without any value at the end left out")
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
    encoding, end, odd = _read_through(path)
    text = _start(path).decode(encoding, errors="replace")
    found = replace(_detected(text), encoding=encoding)
    found = replace(found, blank=_blank_rows(end, found.separator))
    if odd:
        found = replace(found, unclosed=_unclosed(path, found))
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


def _start(path: Path) -> bytes:
    """The first lines."""
    with opened(path) as file:
        found = file.read(_START)
        while b"\n" not in found.strip()[:-1].rstrip() and (more := file.read(16 * _START)):  # a long line of names
            found += more
            if len(found) > 1 << 26:
                break
    return found


def opened(path: Path) -> BinaryIO:
    """The bytes of the text, also of a compressed file."""
    return cast("BinaryIO", gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")


def _unclosed(path: Path, dialect: Dialect) -> int:
    """See :class:`Dialect`. Other odd quotes are signs in a cell, such as 5" for five inches."""
    limit, line = csv.field_size_limit(1 << 30), 0
    with io.TextIOWrapper(opened(path), dialect.encoding, "replace", newline="") as file:
        reader = csv.reader(file, delimiter=dialect.separator, strict=True)
        try:
            for _ in reader:
                line = reader.line_num
        except csv.Error as error:
            return line + 1 if "unexpected end" in str(error) else 0
        finally:
            csv.field_size_limit(limit)
    return 0


def _blank_rows(end: Sequence[bytes], separator: str) -> int:
    """How many of the last lines hold nothing but separators; empty lines are no rows."""
    nothing = separator.encode() + b" \t\r"
    blank = itertools.takewhile(lambda line: not line.strip(nothing), reversed(end))
    return sum(1 for line in blank if line.strip(b"\r"))


def _read_through(path: Path) -> tuple[str, list[bytes], bool]:
    """The encoding, the lines at the end that may be rows of nothing, and whether quotes are odd; in one pass.

    It is UTF-16 by its mark. Other text is Windows-1252 if more bytes do not fit UTF-8 than do beyond ASCII: so a
    damaged file of UTF-8 is not taken for another encoding, nor a file that begins with letters that fit both.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    fitting = wrong = quotes = 0
    end = b""
    with opened(path) as file:
        block = file.read(_START)
        marked = block.startswith(codecs.BOM_UTF8)
        if block.startswith(UTF16):
            return "utf-16", [], False
        while block:
            quotes += block.count(b'"')
            if not block.isascii() or decoder.getstate()[0]:
                text = decoder.decode(block)
                wrong += text.count("\ufffd")
                fitting += len(block) - len(text)
            filled = len(block.rstrip(_EMPTY))
            end = block[max(0, filled - 1) :] if filled else end + block
            block = file.read(16 * _START)
    wrong += len(decoder.decode(b"", final=True))
    lines = end.split(b"\n")[1:] if end.strip(_EMPTY) else end.split(b"\n")
    return "cp1252" if wrong > fitting and not marked else "utf-8", lines, quotes % 2 == 1


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
    while above < min(MOST_ABOVE, len(rows) - 2) and _is_above(rows[above], width):
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


def _is_above(row: list[str], width: int) -> bool:
    """Whether a row is a title, a comment or nothing, in a table this wide. ``,x`` names a column behind an index."""
    filled = sum(map(bool, row))
    return filled == 0 or (filled == 1 and (width > 2 or bool(row[0]))) or (row[0][:1] == "#" and len(row) != width)


def _by_names(text: str) -> Dialect:
    """By the line of names alone, where rows have different lengths (which is reported) or there are none."""
    line = text.lstrip("\ufeff").split("\n", 1)[0]
    counts = {separator: line.count(separator) for separator in SEPARATORS}
    best = max(counts, key=lambda separator: counts[separator])
    return Dialect(best if counts[","] == 0 and counts[best] else ",")
