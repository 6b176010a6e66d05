"""The example of targets for every position of an image runs as it is."""

from __future__ import annotations

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "dense_targets.py"


def test_positions_and_the_whole_image_are_learned(tmp_path: Path) -> None:
    results = runpy.run_path(str(EXAMPLE))["main"](tmp_path)
    tasks, trivial = results["tasks"], results["totals"]["trivial"]
    assert tasks["strongest"]["test"] > 0.25 + 0.75 * trivial["strongest"]
    assert tasks["red-green"]["test"] < 0.85 * trivial["red-green"]
    assert tasks["blue-yellow"]["test"] < 0.9 * trivial["blue-yellow"]
    assert tasks["photograph"]["test"] > 0.9
