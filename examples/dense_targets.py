"""Targets for every place of a picture: a class (which shape) and a number (how near); and a class of the whole."""

import sys
from pathlib import Path

import numpy as np

import polytask as pt
from polytask.config import make_config
from polytask.data.arrays import ArrayWriter
from polytask.runs import fit_run

SIZE, PLACES = 24, 12  # pixels, and places of the encoder: half as many in height and width
PARTS = {"train": 240, "validation": 60, "test": 60}
TASKS = [
    pt.Task("shape", "tags", classes=("background", "disc", "square"), metric="token_accuracy"),
    pt.Task("near", "dense"),
    pt.Task("count", "multiclass", classes=("1", "2", "3")),
]


def picture(draw):
    """Discs and squares, the nearer the brighter; targets at every second pixel of both directions."""
    pixels, shape, near = np.zeros((3, SIZE, SIZE)), np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    down, right = np.mgrid[:SIZE, :SIZE]
    count = int(draw.integers(1, 4))
    for brightness in sorted(draw.uniform(0.3, 1.0, count)):  # what is near hides what is behind it
        kind, (y, x), radius = int(draw.integers(1, 3)), draw.integers(4, SIZE - 4, 2), draw.integers(3, 6)
        away = np.hypot(down - y, right - x) if kind == 1 else np.maximum(abs(down - y), abs(right - x))
        inside = away < radius
        pixels[:, inside], shape[inside], near[inside] = 255 * brightness, kind, brightness
    pixels = np.clip(pixels + draw.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)
    return pixels, {"shape": shape[::2, ::2], "near": near[::2, ::2], "count": count - 1}


def main(folder):
    draw = np.random.default_rng(0)
    lengths = {"shape": PLACES**2, "near": PLACES**2}
    writer = ArrayWriter(folder / "shapes", TASKS, PARTS, (3, SIZE, SIZE), lengths=lengths)
    for row in range(sum(PARTS.values())):
        writer.put(row, *picture(draw))
    writer.close()
    encoder = {"class": "polytask.models.conv_encoder:ConvEncoder", "args": {"hidden": [16, 32], "items": True}}
    results = fit_run(make_config({
        "data": str(folder / "shapes"), "targets": [task.name for task in TASKS], "encoder": encoder, "networks": 1,
        "baselines": False, "steps": 120, "batch_size": 32, "evaluate_every": 30, "learning_rate": 5e-3, "threads": 1,
    }), folder / "run")  # fmt: skip
    trivial = results["totals"]["trivial"]
    for name, task in results["tasks"].items():
        print(f"{name}: {task['metric']} {task['test']:.3f}, of a constant prediction {trivial[name]:.3f}")
    return results


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "dense"))
