"""The demo's table: half-hidden handwritten digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from ...files import replaced

#: Images to learn from and to validate on where each has one label; the others are for the test.
TRAIN, VALIDATION = 1000, 300

TARGETS = ("digit", "even", "at_least_five", "prime", "has_loop", "hidden_ink", "hidden_side", "hidden_gap")


def write_demo_table(path: Path) -> None:
    """Write a CSV with the upper halves of scikit-learn's 1,797 digits (32 grey values) and eight targets.

    Five targets are what the digit is (its class, even, at least five, prime, has a closed loop), three are what the
    hidden lower half holds: how much ink, on which side its centre lies, and whether its last row is empty.
    """
    _write(path, half_hidden_digits())


def write_few_labels(path: Path, seed: int = 0) -> None:
    """Write the same table with one label for every image that is learned from, and the column ``part``.

    :data:`TRAIN` images are for training and :data:`VALIDATION` for validation, each with the label of one target,
    about an eighth of them for every target. The other 497 are the test, with all labels.

    Args:
        path: The CSV.
        seed: Seed of the parts and of which label an image has.
    """
    columns = half_hidden_digits()
    images, draw = len(columns["digit"]), np.random.default_rng(seed)
    sizes = {"train": TRAIN, "validation": VALIDATION, "test": images - TRAIN - VALIDATION}
    part = draw.permutation(np.repeat(list(sizes), list(sizes.values())))
    only = draw.permutation(np.arange(images) % len(TARGETS))
    labels = {name: pa.array(columns[name], mask=(part != "test") & (only != k)) for k, name in enumerate(TARGETS)}
    _write(path, columns | {"part": part} | labels)


def half_hidden_digits() -> dict[str, np.ndarray]:
    """The columns of :func:`write_demo_table`, 1,797 values each."""
    from sklearn.datasets import load_digits  # half a second that other commands need not wait for

    images, digit = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    upper, lower = images[:, :4], images[:, 4:]
    ink = lower.sum((1, 2))
    side = (lower.sum(1) * np.arange(-3.5, 4)).sum(1) / np.maximum(ink, 1)
    pixels = {f"pixel_{row}_{column}": upper[:, row, column].astype(int) for row in range(4) for column in range(8)}
    return pixels | {
        "digit": np.char.add("digit ", digit.astype(str)),
        "even": np.where(digit % 2 == 0, "yes", "no"),
        "at_least_five": np.where(digit >= 5, "yes", "no"),
        "prime": np.where(np.isin(digit, (2, 3, 5, 7)), "yes", "no"),
        "has_loop": np.where(np.isin(digit, (0, 6, 8, 9)), "yes", "no"),
        "hidden_ink": ink,
        "hidden_side": side.round(4),
        "hidden_gap": np.where(lower[:, 3, 2:5].min(1) == 0, "yes", "no"),
    }


def _write(path: Path, columns: dict[str, Any]) -> None:
    with replaced(path) as temporary:
        pa.csv.write_csv(pa.table(columns), temporary)
