"""The examples run as they are."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plain_loop_convergence.py"


def test_convergence_in_a_plain_loop_keeps_the_peaks(capsys) -> None:
    found = runpy.run_path(str(EXAMPLE))
    assert {0, 1} <= set(found["objective"].soft)
    assert min(found["kept"].values()) > 0.98
    assert "converged at step" in capsys.readouterr().out


def test_the_loop_has_less_than_forty_lines() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    begin = next(node for node in ast.parse(text).body if isinstance(node, ast.For)).lineno
    setup = text.splitlines().index("torch.manual_seed(0)") + 1
    code = [line for line in text.splitlines()[setup - 1 :] if line.strip()]
    assert begin > setup and len(code) < 40
