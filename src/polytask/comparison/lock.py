"""One comparison at a time in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UserError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder; the system lets go of it when the process ends, however it ends.

    Raises:
        UserError: If another process holds it.
    """
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    with (folder / "runs" / ".lock").open("w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no such locks on Windows
            pass
        except BlockingIOError:
            raise UserError(
                f"{folder}: another comparison is at work there; wait for it, or choose another --out"
            ) from None
        yield
