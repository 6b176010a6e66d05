"""One comparison at a time in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import UserError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder; the system lets go of it when the process ends, however it ends.

    Raises:
        UserError: If another process holds it.
    """
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "runs" / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{folder}: another process is using it; wait for it, or choose another --out") from None
    try:
        yield
    finally:
        lock.release()
