"""Atomic file writes, JSON, fingerprints."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .errors import UserError, used_up


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block succeeds.

    If anything fails (a full disk, an interruption) the old file stays as it was and nothing is left over. Afterwards
    content and name are on the disk: what is written later never refers to a file that a power cut takes away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Return when the content of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():  # not every file system can
            raise
    finally:
        os.close(descriptor)


def reserve(path: Path, size: int) -> None:
    """Make a file of ``size`` zeros that has its place on the disk.

    A file that is mapped before it has, ends the process without a word (SIGBUS) when the disk is full.
    """
    with path.open("wb") as made:
        try:
            made.truncate(size)
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(made.fileno(), 0, size)
        except BaseException:
            path.unlink()
            raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file atomically."""
    with replaced(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any, *, compact: bool = False) -> None:
    """Write JSON atomically; numbers round-trip exactly. ``compact``: without line feeds and blanks."""
    layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 1}
    write_bytes(path, (json.dumps(value, ensure_ascii=False, allow_nan=False, **layout) + "\n").encode())


def read_json(path: Path, made_by: str = "") -> Any:
    """Read JSON; ``made_by`` names the command that writes such a file.

    Raises:
        UserError: If the file is missing, unreadable or damaged.
    """
    source = f"; {made_by} writes one" if made_by else ""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file{source}") from None
    except OSError as error:
        if used_up(error):
            raise
        raise UserError(f"{path}: cannot be read ({error.strerror}){source}") from None
    except (ValueError, RecursionError) as error:  # not JSON, not text at all, or nested a thousand times
        if made_by:
            raise UserError(
                f"{path}: expected a JSON file as written by {made_by}, found other content: {error}"
            ) from None
        raise UserError(f"{path}: damaged JSON ({error}); restore the file or make the run again") from None


def check_keys(content: Any, required: Sequence[str], where: str) -> list[str]:
    """Problems with ``content`` as a JSON object that needs the keys ``required``; empty for nothing."""
    if not isinstance(content, dict):
        return [f"{where}: expected an object with the keys {', '.join(required)}, found {type(content).__name__}"]
    found = ", ".join(map(str, content)) or "none"
    return [f"{where}: key {key!r} is missing (found: {found}); add it" for key in required if key not in content]


def sha256(path: Path) -> str:
    """Fingerprint of a file's content, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
