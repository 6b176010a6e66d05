"""The page and the figures of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_comparison(folder: Path, results: dict[str, Any]) -> None:
    """Write ``report.html`` and ``figures/``."""
