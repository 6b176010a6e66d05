"""The set-up of two tasks that compete: a digit and a garment in one image (Multi-Fashion-and-MNIST)."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import polytask as pt

from .setup import Data, Setup

#: Images of 28 x 28 are put into the corners of one of this size, as Sabour et al. 2017 do.
SIZE = 36
ROWS = {"train": 20_000, "validation": 5_000, "test": 10_000}
HIDDEN = (256, 128)
CLASSES = tuple("0123456789")


def read_idx(path: Path) -> np.ndarray:
    """An idx file of bytes: images ``[n, 28, 28]`` or labels ``[n]``."""
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", dimensions, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def overlap(first: np.ndarray, second: np.ndarray) -> Tensor:
    """``[n, 18 * 18]`` in 0 to 1: the brighter of both pixels, the first at the top left, halved in size."""
    canvas = np.zeros((len(first), SIZE, SIZE), np.uint8)
    canvas[:, :28, :28] = first
    canvas[:, -28:, -28:] = np.maximum(canvas[:, -28:, -28:], second)
    halved = canvas.reshape(len(first), SIZE // 2, 2, SIZE // 2, 2).mean((2, 4), dtype=np.float32) / 255
    return torch.from_numpy(halved.reshape(len(first), -1))


def load_multi_fashion(folder: Path, cache: Path, seed: int) -> Data:
    """Class of the digit and of the garment; training and validation from the training files, test from the others."""
    tasks = tuple(pt.Task(name, "multiclass", classes=CLASSES) for name in ("digit", "garment"))
    random = np.random.default_rng(seed)
    rows = {}
    for file, parts in (("train", ("train", "validation")), ("t10k", ("test",))):
        count = sum(ROWS[part] for part in parts)
        pixels, labels = [], []
        for name in ("mnist", "fashion_mnist"):
            images = read_idx(folder / name / f"{file}-images-idx3-ubyte.gz")
            chosen = random.permutation(len(images))[:count]
            pixels.append(images[chosen])
            labels.append(read_idx(folder / name / f"{file}-labels-idx1-ubyte.gz")[chosen])
        inputs = overlap(*pixels)
        targets = torch.from_numpy(np.stack(labels, 1)).float()
        start = 0
        for part in parts:
            chosen_rows = slice(start, start + ROWS[part])
            rows[part] = pt.Rows.from_matrix(inputs[chosen_rows], targets[chosen_rows])
            start += ROWS[part]

    def network(tasks: tuple[pt.Task, ...], seed: int, dropout: float) -> pt.MultiTaskModel:
        torch.manual_seed(seed)
        widths = (rows["train"].inputs.shape[1], *HIDDEN)
        layers: list[nn.Module] = []
        for before, after in zip(widths, HIDDEN, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        return pt.MultiTaskModel(nn.Sequential(*layers), tasks, features=HIDDEN[-1])

    return Data(tasks, rows, network)


SETUPS = (Setup("multi_fashion", load_multi_fashion, 1200, 256, 30, (5e-4, 1e-3, 3e-3), seeds=5),)
