"""The figures of the concept pages, from real trainings on the demo's table: half-hidden handwritten digits.

Each is one function, takes some seconds on one core, and writes one SVG:

    python benchmarks/figures.py --out docs/images
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import torch
from markupsafe import Markup
from torch import Tensor

import polytask as pt
from polytask.comparison.datasets.digits import TARGETS, write_demo_table
from polytask.distillation.cooperative.blocks import find_blocks
from polytask.distillation.cooperative.similarity import teacher_similarity
from polytask.reporting.svg import Frame, drawing, element, padded, path

#: Metric on validation by task, evaluation by evaluation.
Curves = dict[str, list[float]]
COLOURS = ("#3b5bdb", "#d9480f", "#2b8a3e", "#862e9c")
STYLE = """text { font: 11px sans-serif; fill: #333 } .label, .title { font-weight: bold } .grid { stroke: #e4e4e4 }
.axis { stroke: #888 } path { fill: none; stroke-width: 1.8 } .paper { fill: #fff } .group { fill: none; stroke: #333;
stroke-width: 2 }"""


class Digits:
    """The demo's table as tensors.

    Args:
        targets: Which of its eight targets.
        rows: Number of training rows; 700 others validate.
    """

    def __init__(self, targets: Sequence[str], rows: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_demo_table(Path(folder) / "digits.csv")
            table = pyarrow.csv.read_csv(Path(folder) / "digits.csv")
        pixels = [name for name in table.column_names if name.startswith("pixel")]
        inputs = torch.tensor(np.stack([table[name].to_numpy() for name in pixels], 1) / 16, dtype=torch.float32)
        self.tasks, labels = zip(*(_task(name, table[name].to_pylist()) for name in targets), strict=True)
        order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
        self.train, self.validation = (
            (inputs[part], {name: values[part] for name, values in zip(targets, labels, strict=True)})
            for part in (order[:rows], order[rows : rows + 700])
        )

    def model(self, tasks: Sequence[pt.Task] | None = None) -> pt.MultiTaskModel:
        torch.manual_seed(0)
        widths = (32, 128, 128)
        layers = [layer for a, b in itertools.pairwise(widths) for layer in (torch.nn.Linear(a, b), torch.nn.ReLU())]
        return pt.MultiTaskModel(torch.nn.Sequential(*layers), self.tasks if tasks is None else tasks)

    def data(self) -> dict[str, tuple[Tensor, dict[str, Tensor]]]:
        return {"train": self.train, "validation": self.validation}


def _task(name: str, values: list[object]) -> tuple[pt.Task, Tensor]:
    """A target as a task and its labels; numbers are standardised."""
    if isinstance(values[0], str):
        classes = tuple(sorted({str(value) for value in values}))
        labels = torch.tensor([float(classes.index(str(value))) for value in values])
        return (pt.Task(name) if len(classes) == 2 else pt.Task(name, "multiclass", classes=classes)), labels
    numbers = torch.tensor(values, dtype=torch.float32)
    return pt.Task(name, "regression"), (numbers - numbers.mean()) / numbers.std()


class Recorder(pt.Callback):
    """Keeps every evaluation's metrics."""

    def __init__(self, tasks: Sequence[pt.Task]) -> None:
        self.curves: Curves = {task.name: [] for task in tasks}
        self.epochs: list[float] = []

    def after_evaluation(self, training: Any, evaluation: Any) -> None:
        self.epochs.append(evaluation.epoch)
        for name, value in evaluation.validation.items():
            self.curves[name].append(float(value))


def trained(
    digits: Digits, steps: int, balancer: pt.balancing.Balancer | None = None, callbacks: Sequence[pt.Callback] = ()
) -> tuple[Curves, dict[str, int]]:
    """Curves of a training of 40 evaluations, and the evaluation at which a task has converged, if it has."""
    recorder = Recorder(digits.tasks)
    settings = pt.TrainingSettings(
        steps=steps, evaluate_every=steps // 40, learning_rate=2e-3, patience=1000, threads=1
    )
    result = pt.fit(
        digits.model(), **digits.data(), balancer=balancer, callbacks=[recorder, *callbacks], settings=settings
    )
    epochs = {name: task.converged_epoch for name, task in result.tasks.items()}
    return recorder.curves, {
        name: 1 + recorder.epochs.index(epoch) for name, epoch in epochs.items() if epoch in recorder.epochs
    }


def convergence() -> Markup:
    """Three of eight tasks with 200 training rows: two peak early and are lost, the other is still learning."""
    digits, shown = Digits(TARGETS, 200), ("hidden_ink", "hidden_side", "even")
    trivial = {"hidden_ink": 0.0, "hidden_side": 0.0, "even": 0.5}
    plain, _ = trained(digits, 1200)
    joint, marks = trained(digits, 1200, callbacks=[pt.AsynchronousConvergence(patience=6)])
    panels = []
    for title, curves, at in (("plain training", plain, {}), ("the same with converge: joint", joint, marks)):
        shares = {
            name: [100 * (value - trivial[name]) / (max(plain[name]) - trivial[name]) for value in curves[name]]
            for name in shown
        }
        panels.append(lines(f"{title}: skill, % of the plain peak", shares, marks=at))
    return beside("Skill of three tasks without and with asynchronous convergence", panels)


def balancing() -> Markup:
    """A task in units that make its loss 900 times larger, with equal weights and with GradNorm."""
    digits = Digits(("has_loop", "digit", "even", "hidden_ink"), 1000)
    for _, labels in digits.data().values():
        labels["hidden_ink"] *= 30
    panels = []
    for title, balancer in (("equal weights", None), ("gradnorm", pt.balancing.GradNorm())):
        panels.append(lines(title, trained(digits, 600, balancer)[0]))
    return beside("Validation metrics with one loud loss, with equal weights and with GradNorm", panels)


def affinity() -> Markup:
    """What an update on the task of a row does to the loss of the task of a column, and the two networks chosen."""
    digits = Digits(TARGETS, 1000)
    measured = pt.measure_affinity(digits.model(), **digits.data(), settings=pt.TrainingSettings(steps=600, threads=1))
    chosen = pt.select_networks(measured, networks=2)
    served = [[name for name in TARGETS if chosen.serves[name] == at] for at in range(len(chosen.networks))]
    matrix = np.array(measured.matrix, dtype=float)
    np.fill_diagonal(matrix, np.nan)
    return squares(
        "Affinity of eight tasks: effect of an update on the row's task on the loss of the column's",
        matrix / np.nanmax(np.abs(matrix)), list(TARGETS), served,
    )  # fmt: skip


def distillation() -> Markup:
    """Similarity of eight single-task teachers (linear CKA), and the blocks that `scd` makes of it."""
    digits = Digits(TARGETS, 1000)
    features = []
    for task in digits.tasks:
        one = digits.model([task])
        inputs = {part: (x, {task.name: labels[task.name]}) for part, (x, labels) in digits.data().items()}
        pt.fit(one, **inputs, settings=pt.TrainingSettings(steps=300, learning_rate=2e-3, threads=1))
        with torch.no_grad():
            features.append(one.eval().encoder(digits.train[0]))
    similar = teacher_similarity(features)
    blocks = [[TARGETS[at] for at in block] for block in find_blocks(similar)]
    return squares("Similarity of eight teachers, with the blocks found in it", similar, list(TARGETS), blocks)


def lines(title: str, curves: Mapping[str, list[float]], marks: Mapping[str, int] | None = None) -> Markup:
    """A panel with a line per task; a mark is drawn where a task has converged, a dot at its peak."""
    values = [value for line in curves.values() for value in line]
    frame = Frame((1, max(map(len, curves.values()))), padded(values), width=360, height=230, top=38, right=14)
    inside = [*frame.axes("evaluation", title)]
    for number, (name, line) in enumerate(curves.items()):
        colour, best = COLOURS[number], max(range(len(line)), key=line.__getitem__)
        points = [frame.at(at + 1, value) for at, value in enumerate(line)]
        x, y = points[best]
        inside += [
            element("g", path(points, "line"), stroke=colour),
            element("circle", cx=x, cy=y, r=4, fill=colour),
            element("text", name, x=46 + 86 * number, y=26, style=f"fill: {colour}; font-weight: bold"),
        ]
        if marks and marks.get(name):
            across = frame.at(marks[name], values[0])[0]
            inside.append(element("line", x1=across, x2=across, y1=38, y2=196, stroke=colour, stroke_dasharray="4 3"))
    return element("g", *inside)


def squares(label: str, shares: np.ndarray, names: list[str], groups: list[list[str]]) -> Markup:
    """A matrix of numbers from -1 to 1 as colours, its tasks in the order of the groups, which are outlined."""
    order = [name for group in groups for name in group]
    size, left, top = 44.0, 104.0, 60.0
    inside = []
    for row, of_row in enumerate(order):
        x, y = left + (row + 0.5) * size, top - 8
        inside.append(element("text", of_row, x=left - 8, y=top + (row + 0.5) * size + 4, text_anchor="end"))
        inside.append(element("text", of_row, x=x, y=y, transform=f"rotate(-35 {x} {y})"))
        for column, of_column in enumerate(order):
            share = shares[names.index(of_row), names.index(of_column)]
            inside += cell(float(share), left + column * size, top + row * size, size)
    start = 0
    for group in groups:
        at = start * size
        inside.append(
            element("rect", x=left + at, y=top + at, width=len(group) * size, height=len(group) * size, class_="group")
        )
        start += len(group)
    return page(left + len(order) * size + 44, top + len(order) * size + 10, label, inside)


def cell(share: float, x: float, y: float, size: float) -> list[Markup]:
    """One number of a matrix; nothing where it is not defined."""
    if np.isnan(share):
        return []
    colour = "59,91,219" if share >= 0 else "217,72,15"
    dark = abs(share) > 0.6
    return [
        element("rect", x=x + 1, y=y + 1, width=size - 2, height=size - 2, fill=f"rgba({colour},{abs(share):.2f})"),
        element("text", f"{share:.2f}", x=x + size / 2, y=y + size / 2 + 4, text_anchor="middle",
                style="fill: #fff" if dark else None),
    ]  # fmt: skip


def beside(label: str, panels: Sequence[Markup]) -> Markup:
    """Panels next to one another."""
    moved = [element("g", panel, transform=f"translate({number * 374} 0)") for number, panel in enumerate(panels)]
    return page(374 * len(panels), 232, label, moved)


def page(width: float, height: float, label: str, children: Sequence[Markup]) -> Markup:
    """A drawing that needs no style sheet."""
    paper = element("rect", width=width, height=height, class_="paper")
    return drawing(width, height, label, element("style", STYLE), paper, *children)


FIGURES: dict[str, Callable[[], Markup]] = {
    function.__name__: function for function in (convergence, affinity, balancing, distillation)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--only", nargs="*", choices=FIGURES, default=list(FIGURES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.only:
        text = str(FIGURES[name]()).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        (options.out / f"{name}.svg").write_text(text + "\n", encoding="utf-8")
        print(f"{options.out / name}.svg")


if __name__ == "__main__":
    main()
