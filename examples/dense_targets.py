"""Targets for every second pixel of an image, and one for the whole image, from an encoder of your own.

The images are real: grey crops of the two photographs of scikit-learn, the splits from alternating bands of columns.
Targets are two differences of the hidden colours, the strongest colour and the photograph. What to expect: accuracy of
.64 for the colour (a constant: .41), errors a fifth below a constant's, ROC-AUC of .95 for the photograph.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_images

import polytask as pt
from polytask.config import make_config
from polytask.data.arrays import ArrayWriter
from polytask.runs import fit_run

SIZE, POSITIONS, PARTS = 24, 12, {"train": 400, "validation": 100, "test": 100}
BAND, BANDS = 40, {"train": (0, 1, 4, 5, 8, 9, 12, 13), "validation": (2, 6, 10, 14), "test": (3, 7, 11, 15)}  # columns
TASKS = [
    pt.Task("strongest", "tags", classes=("red", "green", "blue"), metric="token_accuracy"),
    pt.Task("red-green", "dense"),
    pt.Task("blue-yellow", "dense"),
    pt.Task("photograph", "binary", classes=("china", "flower")),
]


def crop(photographs, bands, random):
    """``[3, SIZE, SIZE]`` grey pixels, and the targets at every second pixel of both directions."""
    number, top = int(random.integers(2)), random.integers(427 - SIZE)
    left = BAND * random.choice(bands) + random.integers(BAND - SIZE)
    colours = photographs[number][top : top + SIZE, left : left + SIZE]
    grey = np.repeat(colours.mean(2)[None], 3, 0).astype(np.uint8)
    red, green, blue = np.moveaxis(colours[::2, ::2] / 255.0, 2, 0)
    return grey, {"strongest": np.argmax([red, green, blue], 0), "red-green": red - green,
                  "blue-yellow": blue - (red + green) / 2, "photograph": number}  # fmt: skip


def main(folder):
    random, photographs = np.random.default_rng(0), load_sample_images().images
    lengths = {task.name: POSITIONS**2 for task in TASKS[:3]}
    writer = ArrayWriter(folder / "crops", TASKS, PARTS, (3, SIZE, SIZE), lengths=lengths)
    for row, part in enumerate(part for part, rows in PARTS.items() for _ in range(rows)):
        writer.put(row, *crop(photographs, BANDS[part], random))
    writer.close()
    encoder = {"class": "polytask.models.conv_encoder:ConvEncoder", "args": {"hidden": [16, 32], "items": True}}
    results = fit_run(make_config({
        "data": str(folder / "crops"), "targets": [task.name for task in TASKS], "encoder": encoder, "networks": 1,
        "baselines": False, "steps": 300, "batch_size": 32, "evaluate_every": 25, "learning_rate": 5e-3, "threads": 1,
    }), folder / "run")  # fmt: skip
    trivial = results["totals"]["trivial"]
    for name, task in results["tasks"].items():
        print(f"{name}: {task['metric']} {task['test']:.3f}, of a constant {trivial[name]:.3f}")
    return results


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "dense"))
