"""GradNorm's synthetic problem, a small version: equal weights let the quiet task starve, GradNorm does not."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from polytask.balancing import Equal, GradNorm

_FILE = Path(__file__).parents[2] / "benchmarks" / "gradnorm_toy.py"
_SPEC = importlib.util.spec_from_file_location("gradnorm_toy", _FILE)
assert _SPEC is not None and _SPEC.loader is not None
toy = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(toy)


def test_training_rates_equalise() -> None:
    scales, balancer = toy.SCALES["2 tasks"], GradNorm(alpha=0.12)
    equal = toy.relative_losses(scales, Equal(), 300)
    balanced = toy.relative_losses(scales, balancer, 300)
    assert toy.spread(equal) > 2.5
    assert equal["1"] > equal["100"]
    assert toy.spread(balanced) < 1.5
    quiet, loud = balancer.found.tolist()
    assert quiet > 1.8 and loud < 0.05 and abs(quiet + loud - 2) < 1e-4
