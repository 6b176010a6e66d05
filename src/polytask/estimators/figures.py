"""Plots of predictions in Python: the data behind each, and its drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import pyarrow as pa

from ..display.text import printable
from ..errors import UserError, did_you_mean
from ..files import write_bytes
from ..records.run import read_run
from ..reporting.figures import standalone
from ..reporting.plots import draw, plots_of
from ..reporting.templates import style
from ..runs import Bundle
from ..runs.use import labelled_rows
from ..task.kind import Plot


@dataclass(frozen=True)
class Figure:
    """A plot with its drawing, which a notebook shows.

    Attributes:
        data: Lines, points or a matrix as plain numbers; see :mod:`polytask.task.plots`.
    """

    data: Plot

    @property
    def svg(self) -> str:
        """The drawing as a separate file, in light colours."""
        return standalone(draw(self.data), style())

    def save(self, path: str | Path) -> Path:
        """Write the drawing as SVG."""
        write_bytes(Path(path), self.svg.encode())
        return Path(path)

    def _repr_html_(self) -> str:
        title = escape(printable(self.data.title))
        look = "display:inline-block;margin:4px;width:300px"
        return f'<figure style="{look}"><figcaption>{title}</figcaption>{self.svg}</figure>'


@dataclass(frozen=True)
class Plots(Mapping[str, dict[str, Figure]]):
    """The plots of every target, by target and name: ``plots["click"]["roc"]``.

    Attributes:
        targets: By target its figures by name.
        together: Figures of all targets by name, such as ``importance`` and ``correlation_of_errors``.
    """

    targets: dict[str, dict[str, Figure]] = field(default_factory=dict)
    together: dict[str, Figure] = field(default_factory=dict)

    def __getitem__(self, target: str) -> dict[str, Figure]:
        if target not in self.targets:
            raise UserError(f"{target!r}: no plots; {did_you_mean(target, list(self.targets))}")
        return self.targets[target]

    def __iter__(self) -> Iterator[str]:
        return iter(self.targets)

    def __len__(self) -> int:
        return len(self.targets)

    def _repr_html_(self) -> str:
        parts = [
            f"<h4>{escape(printable(target))}</h4>" + "".join(figure._repr_html_() for figure in figures.values())
            for target, figures in self.targets.items()
        ]
        return "".join(parts)


def plots_of_run(folder: Path) -> Plots:
    """The plots that a run has made of its test rows."""
    targets, together = plots_of(read_run(folder))
    return Plots({name: _figures(plots) for name, plots in targets.items()}, _figures(together))


def plots_of_rows(bundle: Bundle, table: pa.Table) -> Plots:
    """The plots of every target that a table has labels of.

    Raises:
        UserError: See :func:`polytask.runs.use.labelled_rows`.
    """
    rows, names = labelled_rows(bundle, table, where="table")
    return Plots({
        task.name: _figures(task.definition.plots(task, task.definition.predict(outputs), targets.cpu(), units.cpu()))
        for task, outputs, targets, units in bundle.on_labelled(rows, names)
    })  # fmt: skip


def _figures(plots: Sequence[Plot]) -> dict[str, Figure]:
    return {plot.name: Figure(plot) for plot in plots}
