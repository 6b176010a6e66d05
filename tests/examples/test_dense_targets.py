"""The example of targets for every place of a picture runs as it is."""

from __future__ import annotations

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "dense_targets.py"


def test_places_and_the_whole_picture_are_learnt(tmp_path: Path) -> None:
    results = runpy.run_path(str(EXAMPLE))["main"](tmp_path)
    tasks, trivial = results["tasks"], results["totals"]["trivial"]
    assert tasks["shape"]["test"] > 0.4 + 0.6 * trivial["shape"]
    assert tasks["near"]["test"] < 0.6 * trivial["near"]
    assert tasks["count"]["test"] > trivial["count"] + 0.1
