"""The folder of a comparison or of a search: which it is, and one process at a time in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import UserError

#: Optuna's study, in the folder of a search only.
DATABASE = "study.db"
LOCK = ".lock"
#: Folders of runs are named so.
_RUN = re.compile("[0-9a-f]{24}")


def check_folder(folder: Path, *, search: bool) -> None:
    """That nothing else is written over: a search continues only a search, and a comparison only a comparison.

    Raises:
        UserError: If there is anything else.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder}: is a file; give a folder")
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    runs = {path.name for path in (folder / "runs").glob("*")} - {LOCK}
    new = names <= {"data", "runs"} and not runs
    compared = "runs" in names and DATABASE not in names and all(map(_RUN.fullmatch, runs))
    if not new and not (DATABASE in names if search else compared):
        what = "search" if search else "comparison"
        raise UserError(f"--out {folder}: this folder has other content; give a new one, or one of a {what}")


@contextmanager
def locked(folder: Path, *, search: bool) -> Iterator[None]:
    """Hold the folder of a search or a comparison; the system lets go of it when the process ends, however it ends.

    Of a folder without a run nothing is left.

    Raises:
        UserError: If another process holds it, or see :func:`check_folder`.
    """
    check_folder(folder, search=search)
    runs = folder / "runs"
    made = [path for path in (runs, folder, *folder.parents) if not path.exists()]
    runs.mkdir(parents=True, exist_ok=True)
    lock = FileLock(runs / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{folder}: another process is using it; wait for it, or choose another --out") from None
    try:
        yield
    finally:
        if made and not any(path.name != LOCK for path in runs.iterdir()):
            with suppress(OSError):  # some systems let nobody remove a file that is held, and remove it themselves
                (runs / LOCK).unlink()
        lock.release()
        with suppress(OSError):  # as soon as one has content
            for path in made:
                path.rmdir()
