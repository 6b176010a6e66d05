"""Graphs are learned, in one process and in two alike."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from started import Started


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_graphs_are_learned(processes: int, tmp_path: Path) -> None:
    found = ast.literal_eval(Started("graph_encoder.py", tmp_path, processes).output())
    assert found["attracts"] > 0.95 and found["charge"] > 0.9
