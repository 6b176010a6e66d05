"""One network for all targets that converge, held in other ways: how many teachers, jointly or one after the other.

    python benchmarks/convergence_ways.py run --sets jura enb late --seeds 0 1 2 --out ways.jsonl
    python benchmarks/convergence_ways.py report --out ways.jsonl

Runs of `polytask fit --networks 1 --no-baselines`; a set and seed are a line of the file. Each stage of the sequential
way has a training's length, so that it costs up to as many trainings as there are targets; `shared` stages share the
steps of one training. POLYTASK_DATA names the data.
"""

from __future__ import annotations

from typing import Any

from variants import Ways, main


def shared(steps: int, targets: int) -> dict[str, Any]:
    """Stages that share the steps of one training."""
    return {"converge": "sequential", "sequential": {"max_stage_steps": -(-steps // targets)}}


WAYS: Ways = {
    "one teacher": {"convergence": {"teachers": 1}},
    "three teachers": {"convergence": {"teachers": 3}},
    "no convergence": {"converge": "off"},
    "sequential": {"converge": "sequential"},
    "sequential, shared steps": shared,
}

if __name__ == "__main__":
    main(__doc__ or "", WAYS)
