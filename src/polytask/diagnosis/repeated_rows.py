"""Rows that are on both sides of the split."""

from __future__ import annotations

from collections.abc import Iterator

from ..records.run import Run
from .finding import Finding
from .noted import noted


def repeated_rows(run: Run) -> Iterator[Finding]:
    """Validation or test rows with the features of a training row."""
    if found := noted(run, "repeated"):
        seen = "; ".join(warning.split(":")[0] for warning in found)
        yield Finding(
            "repeated rows",
            (),
            seen,
            "if these are duplicates of one record, metrics are optimistic: remove them from the table, or keep them "
            "in one split (`--group COLUMN`)",
        )
