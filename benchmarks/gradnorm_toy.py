"""GradNorm's synthetic problem: regression tasks that differ in scale by up to two orders.

Task i is ``f_i(x) = s_i tanh((B + E_i) x)`` with a common matrix B ~ N(0, 10) and a separate one E_i ~ N(0, 3.5): all
are equally hard, and only the scales ``s_i`` distinguish them. With equal weights the tasks of large scale dominate
the shared layers and those of small scale learn little; with GradNorm all learn at one speed. (Section 4.1 of the
paper, on a smaller network.)

    python benchmarks/gradnorm_toy.py --steps 2000 --out docs/methods/gradnorm_toy.md
"""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from polytask.balancing import BALANCERS, Balancer
from polytask.reporting.svg import Frame, drawing, element, padded, path

SCALES = {"2 tasks": (1.0, 100.0), "10 tasks": (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 60.0, 80.0, 100.0)}


class Toy:
    """Targets and a network of four shared layers with a linear head per task."""

    def __init__(self, scales: tuple[float, ...], *, inputs: int = 50, outputs: int = 20, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        common = torch.randn(outputs, inputs, generator=generator) * 10**0.5
        own = [torch.randn(outputs, inputs, generator=generator) * 3.5**0.5 for _ in scales]
        self.inputs, self.scales, self.generator = inputs, scales, generator
        # Divided by the root of the number of inputs, so that tanh is not a step function.
        self.maps = [(common + matrix) / inputs**0.5 / 3 for matrix in own]
        torch.manual_seed(seed)
        widths = [inputs, 100, 100, 100, 100]
        layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.Linear(100, outputs) for _ in scales)

    def losses(self, rows: int) -> tuple[Tensor, dict[str, Tensor]]:
        x = torch.randn(rows, self.inputs, generator=self.generator)
        features = self.trunk(x)
        losses = {}
        for scale, matrix, head in zip(self.scales, self.maps, self.heads, strict=True):
            # As in the paper each head predicts in units of its task.
            losses[f"{scale:g}"] = ((scale * (head(features) - torch.tanh(x @ matrix.T))) ** 2).mean()
        return features, losses


def curves(
    scales: tuple[float, ...], balancer: Balancer, steps: int, *, points: int = 50, lr: float = 1e-3, rows: int = 64,
    seed: int = 0,
) -> list[tuple[int, dict[str, float]]]:  # fmt: skip
    """Loss relative to the start of every task, at about ``points`` steps; equal numbers mean equal speed."""
    toy = Toy(scales, seed=seed)
    parameters = [*toy.trunk.parameters(), *toy.heads.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lr)

    def level() -> dict[str, float]:
        with torch.no_grad():
            return {name: float(loss) for name, loss in toy.losses(2048)[1].items()}

    start = level()
    found = [(0, dict.fromkeys(start, 1.0))]
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        features, losses = toy.losses(rows)
        balancer.backward(losses, shared=toy.trunk.parameters(), features=features)
        optimizer.step()
        if step % max(1, steps // points) == 0 or step == steps:
            found.append((step, {name: loss / start[name] for name, loss in level().items()}))
    return found


def relative_losses(scales: tuple[float, ...], balancer: Balancer, steps: int) -> dict[str, float]:
    """Loss at the end relative to the start of every task."""
    return curves(scales, balancer, steps, points=1)[-1][1]


def spread(relative: dict[str, float]) -> float:
    """The worst task's relative loss over the best one's."""
    return max(relative.values()) / min(relative.values())


STYLE = """text { font: 11px sans-serif; fill: #333 } .label { font-weight: bold } .grid { stroke: #e4e4e4 }
.axis { stroke: #888 } path { fill: none; stroke-width: 1.6 } rect { fill: #fff }"""


def figure(panels: dict[str, list[tuple[int, dict[str, float]]]]) -> str:
    """An SVG with a panel per training: log of every task's relative loss, blue (small scale) to red (large)."""
    levels = [math.log10(value) for found in panels.values() for _, values in found for value in values.values()]
    width, height, gap = 330.0, 220.0, 14.0
    drawn = [
        element("style", STYLE),
        element("rect", width=2 * width + gap, height=(height + gap) * (len(panels) // 2)),
    ]
    for number, (title, found) in enumerate(panels.items()):
        frame = Frame((0, found[-1][0]), padded(levels), width=width, height=height, top=34, right=20)
        inside = [*frame.axes("step", title), element("text", "log10 of loss / loss at the start", x=2, y=24)]
        names = list(found[0][1])
        for place, name in enumerate(names):
            share = place / (len(names) - 1)
            line = [frame.at(step, math.log10(values[name])) for step, values in found]
            colour = f"rgb({60 + 160 * share:.0f},{90 - 40 * share:.0f},{200 - 150 * share:.0f})"
            inside.append(element("g", path(line, "line"), stroke=colour))
        across, down = number % 2 * (width + gap), number // 2 * (height + gap)
        drawn.append(element("g", *inside, transform=f"translate({across:.0f} {down:.0f})"))
    whole = (2 * width + gap, (height + gap) * (len(panels) // 2))
    title = "Relative losses of tasks of small and large scale with equal weights and with GradNorm"
    text = drawing(*whole, title, *drawn)
    return str(text).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--out", type=Path, help="a Markdown file; the figure goes beside it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = ["# GradNorm's synthetic problem", "", (__doc__ or "").split("\n\n")[1], ""]
    if options.out:
        lines += [
            f"![relative losses]({options.out.stem}.svg)",
            "",
            "Blue: tasks of small scale; red: large scale.",
            "",
        ]
    panels = {}
    for title, scales in SCALES.items():
        trained = {
            "equal": curves(scales, BALANCERS["equal"](), options.steps),
            "gradnorm, alpha 0.12": curves(scales, BALANCERS["gradnorm"](alpha=0.12), options.steps),
        }
        panels |= {f"{title}, {name}": found for name, found in trained.items()}
        lines += [f"## {title}, {options.steps} steps: loss relative to its start, by scale of the task", ""]
        lines += [
            f"| weights | {' | '.join(f'{s:g}' for s in scales)} | worst / best |",
            "|---" * (len(scales) + 2) + "|",
        ]
        for name, found in trained.items():
            cells = " | ".join(f"{value:.3f}" for value in found[-1][1].values())
            lines += [f"| {name} | {cells} | {spread(found[-1][1]):.1f} |"]
        lines += [""]
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
        options.out.with_suffix(".svg").write_text(figure(panels), encoding="utf-8")


if __name__ == "__main__":
    main()
