"""What each ingredient of the default network is worth: one of them changed at a time.

    python benchmarks/recipe.py run --sets jura enb wq --seeds 0 1 2 --out recipe.jsonl
    python benchmarks/recipe.py report --out recipe.jsonl

Runs of `polytask fit --networks 1 --no-baselines`; a set, seed and way are a line of the file. POLYTASK_DATA names the
data.
"""

from __future__ import annotations

from typing import Any

from variants import Ways, main


def cosine(steps: int, targets: int) -> dict[str, Any]:
    """With all the steps that a training may take: it ends where the schedule does."""
    return {"schedule": "cosine", "steps": 2 * steps, "patience": 1_000}


WAYS: Ways = {
    "default": {},
    "no convergence": {"converge": "off"},
    "no moving average": {"ema": None},
    "numbers as they are": {"model": {"numbers": "linear"}},
    "32 bins": {"model": {"numbers": {"name": "piecewise", "bins": 32}}},
    "no dropout": {"model": {"dropout": 0.0}},
    "dropout .3": {"model": {"dropout": 0.3}},
    "AdamW, decay .01": {"optimizer": "adamw", "weight_decay": 0.01},
    "AdamW, decay .1": {"optimizer": "adamw", "weight_decay": 0.1},
    "cosine, twice the steps": cosine,
    "learning rate x 3": {"learning_rate": 0.003},
    "learning rate / 3": {"learning_rate": 0.0003},
    "half the width": {"model": {"hidden": (128, 64)}},
    "twice the width": {"model": {"hidden": (512, 256)}},
    "four times the width": {"model": {"hidden": (1024, 512)}},
    "three layers of 256": {"model": {"hidden": (256, 256, 256)}},
    "twice the width, dropout .3": {"model": {"hidden": (512, 256), "dropout": 0.3}},
    "TabM": {"encoder": {"name": "tabm"}},
}

if __name__ == "__main__":
    main(__doc__ or "", WAYS)
