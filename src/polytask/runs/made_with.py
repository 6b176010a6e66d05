"""What a run was made with, for whoever wants to make it again."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .. import __version__

#: Packages whose versions can change a run's numbers.
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pyarrow", "torchjd",
            "transformers", "rtdl-num-embeddings", "tabm", "rdkit", "chemprop")  # fmt: skip


@cache
def _installed() -> dict[str, str]:
    """Versions of the packages that are there; to read them takes longer than other parts of a short run."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # an extra that is not installed
            continue
    return found


def versions() -> dict[str, str]:
    """Versions of this library, of Python and of the packages that are there.

    Example:
        >>> versions()["polytask"]
        '0.1.0'
    """
    made = {"polytask": __version__, "python": platform.python_version(), "platform": platform.platform()}
    return made | _installed()


def made_with(fingerprint: str, seed: int, decided: Mapping[str, Any] | None) -> dict[str, Any]:
    """The entry in ``results.json``; the rest is in ``config.yaml``."""
    return {"data": fingerprint, "seed": seed, "decided": decided, "versions": versions()}
