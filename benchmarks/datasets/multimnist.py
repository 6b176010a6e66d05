"""MultiMNIST as a table: two handwritten digits on one image (Sabour et al. 2017; Sener and Koltun 2018).

python benchmarks/datasets/multimnist.py multimnist.parquet
polytask compare benchmarks/datasets/multimnist.yaml --set base.data.table=multimnist.parquet --out study
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa

from polytask.comparison.datasets.census import write_parquet
from polytask.comparison.datasets.files import DataFile

_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist"
FILES = {
    name: DataFile(f"mnist/{name}.gz", digest, f"{_MIRROR}/{name}.gz")
    for name, digest in {
        "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    }.items()
}
#: Images made of the official train part (for train and validation) and of the official test part.
ROWS = {"train": 20_000, "validation": 4_000, "test": 5_000}
SIDE, SHIFT = 28, 8


def read_idx(path: Path) -> np.ndarray:
    """An IDX file of bytes, gzipped: images ``[n, 28, 28]`` or labels ``[n]``."""
    with gzip.open(path) as stream:
        content = stream.read()
    sizes = [int.from_bytes(content[4 + 4 * d : 8 + 4 * d], "big") for d in range(content[3])]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)


def overlaid(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """``[n, 28, 28]`` twice to ``[n, 18, 18]``: in two corners of 36 x 36, the larger pixel, halved by means."""
    canvas = np.zeros((len(first), SIDE + SHIFT, SIDE + SHIFT), np.float32)
    canvas[:, :SIDE, :SIDE] = first
    canvas[:, SHIFT:, SHIFT:] = np.maximum(canvas[:, SHIFT:, SHIFT:], second)
    half = (SIDE + SHIFT) // 2
    return canvas.reshape(len(first), half, 2, half, 2).mean((2, 4))


def make_table(raw: dict[str, np.ndarray], rows: dict[str, int] | None = None) -> pa.Table:
    """The table from the four raw files: which digit is at the top left, and which at the bottom right.

    Images of 36 x 36 pixels, halved to 18 x 18; pairs are drawn with a fixed seed. No digit is in two parts: train and
    validation are made of different halves of the official train part, test of the official test part.
    """
    draw = np.random.default_rng(0)
    count = len(raw["train-labels-idx1-ubyte"])
    cut = count * 5 // 6
    pools = {"train": ("train", 0, cut), "validation": ("train", cut, count),
             "test": ("t10k", 0, len(raw["t10k-labels-idx1-ubyte"]))}  # fmt: skip
    pixels, left, right, parts = [], [], [], []
    for part, (source, start, stop) in pools.items():
        images, labels = raw[f"{source}-images-idx3-ubyte"], raw[f"{source}-labels-idx1-ubyte"]
        a, b = draw.integers(start, stop, size=(2, (rows or ROWS)[part]))
        pixels.append(overlaid(images[a], images[b]))
        left.append(labels[a])
        right.append(labels[b])
        parts += [part] * len(a)
    flat = np.concatenate(pixels).reshape(len(parts), -1).round(2)
    columns = {f"p{number}": flat[:, number] for number in range(flat.shape[1])}
    words = {"left": np.concatenate(left), "right": np.concatenate(right)}
    digits = {name: pa.array([f"digit {value}" for value in values]) for name, values in words.items()}
    return pa.table(columns | digits | {"split": pa.array(parts)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT.parquet")
    args = parser.parse_args()
    write_parquet(make_table({name: read_idx(file.path()) for name, file in FILES.items()}), args.out)


if __name__ == "__main__":
    main()
