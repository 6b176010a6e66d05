"""Graphs are learned, in one process and in two alike."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "graph_encoder.py"


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [(), ("-m", "torch.distributed.run", "--nproc-per-node", "2")])
def test_graphs_are_learned(launcher: tuple[str, ...]) -> None:
    command = [sys.executable, *launcher, str(EXAMPLE)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=480)
    assert result.returncode == 0, result.stderr[-2000:]
    found = ast.literal_eval(result.stdout)
    assert found["attracts"] > 0.95 and found["charge"] > 0.9
