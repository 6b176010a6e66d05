"""Where the real data sets are, for tests marked ``realdata``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parent.parent


def realdata(name: str) -> Path:
    """Path of a file or folder of the real data; skips the test where it is absent.

    Looks in the folder that the environment variable POLYTASK_DATA names, else in ``shared/data`` in or beside the
    repository.
    """
    stated = os.environ.get("POLYTASK_DATA")
    folders = [Path(stated)] if stated else [_REPOSITORY / "shared" / "data", _REPOSITORY.parent / "shared" / "data"]
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    pytest.skip(f"real data {name} not found in {' or '.join(map(str, folders))} (set POLYTASK_DATA)")
