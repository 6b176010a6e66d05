"""Whole runs of valid configurations: what they give is in order, sums to one, is measured rightly, and comes again.

A few by default; a thousand with ``--hypothesis-profile=nightly``, or in pieces with ``python tests/drawn_runs.py``.
"""

from __future__ import annotations

import pytest
from hypothesis import settings

from drawn_runs import KEYS, REFUSED, TABLES, draw, try_number

#: Runs of unlike tables, of which the first is killed and resumed.
FEW = (37, 56)


def test_runs_are_drawn_from_the_whole_schema() -> None:
    drawn = [draw(number) for number in range(300)]
    assert {name for run in drawn for name in run.changes} >= KEYS.keys() - {"jobs"}
    assert {run.table for run in drawn} == TABLES.keys() and sum(run.table in REFUSED for run in drawn) < 60


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1000) if settings.default.max_examples == 1000 else FEW)
def test_runs(number: int) -> None:
    found = try_number(number, kill=number == FEW[0] or number % 3 == 0)
    assert found["ended"] != "failed", found
    assert number not in FEW or found["ended"] == "finished"
