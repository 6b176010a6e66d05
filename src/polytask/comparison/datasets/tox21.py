"""Tox21: twelve toxicity assays on small molecules, 17 % of the labels missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...display.display import Display
from .files import DataFile

FILE = DataFile(
    "tox21/tox21.csv",
    "b58cc1f683e78e3c7a1bf7116e9aac0119804018d100f7b8cdb0857941c31aca",
    "https://github.com/chemprop/chemprop/raw/b83635bc/data/tox21.csv",
)
TARGETS = (
    "NR-AR", "NR-AR-LBD", "NR-AhR", "NR-Aromatase", "NR-ER", "NR-ER-LBD",
    "NR-PPAR-gamma", "SR-ARE", "SR-ATAD5", "SR-HSE", "SR-MMP", "SR-p53",
)  # fmt: skip


def tox21(folder: Path, display: Display) -> dict[str, Any]:
    """Binary targets on the hashed n-grams of a molecule's formula; random split."""
    kinds = {"kind": dict.fromkeys(TARGETS, "binary"), "column_kind": {"smiles": "text"}}
    return {"data": str(FILE.path(display)), "targets": list(TARGETS), **kinds}
