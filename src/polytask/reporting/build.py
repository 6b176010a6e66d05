"""From a run folder to its page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..config import as_yaml
from ..display.text import count
from ..display.titles import title_of
from ..files import write_bytes
from ..records.layout import Layout
from ..records.run import Run, read_run
from ..records.values import number
from ..task.gain import EQUAL_WITHIN
from . import numbers
from .affinity_history import histories
from .cooperation import cooperations
from .curves import Panel, curve
from .data import data_of
from .earlier import earlier
from .headline import headline
from .heatmap import NUMBERS_UP_TO, heatmap
from .networks import NetworkTasks, groups, networks, partners
from .outcome import BASELINES, EXPLAINED, Row, rows
from .plots import draw, plots_of
from .score import score_curve
from .stability import notes, stability
from .summary import chosen_networks, compared, unfinished
from .tasks_over_time import charts, look, remarks
from .telling import telling_tasks
from .templates import environment

#: Tasks that are drawn one by one; a page with a thousand plots opens slowly.
MOST_DRAWN = 60


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into a run folder: one file that needs nothing else, also for a run that is not finished.

    Returns:
        The path of the report.

    Raises:
        UserError: If ``folder`` is not a run, or a file of it is damaged.
    """
    folder = Path(folder)
    page = Layout(folder).report
    write_bytes(page, render(read_run(folder)).encode())
    return page


def render(run: Run) -> str:
    """The report as text."""
    table, chosen = rows(run), networks(run)
    plots, together = plots_of(run)
    drawn = run.only(telling_tasks(run.results, MOST_DRAWN)) if run.finished else run
    return (
        environment()
        .get_template("page.html")
        .render(
            run=run,
            count=count,
            headline=headline(run, table),
            unfinished="" if run.finished else unfinished(run),
            comparisons=compared(table, single=len(chosen) == 1) if table else [],
            choice=chosen_networks(run, table, chosen) if run.finished else [],
            data=data_of(run),
            plots=[(task, [(plot, draw(plot)) for plot in own]) for task, own in plots.items() if own],
            together=[(plot, draw(plot)) for plot in together],
            facts=_facts(run),
            table=table,
            others=[(name, BASELINES[name]) for name in (table[0].others if table else ())],
            explained=EXPLAINED,
            constants=any(row.trivial is not None for row in table),
            equal_within=numbers.percent(EQUAL_WITHIN),
            earlier=earlier(run),
            panels=[(panel.task, curve(panel)) for panel in _panels(drawn, table)],
            drawn=len(drawn.tasks),
            self_taught=run.config.get("converge") not in ("off", False),
            drawn_baselines=_drawn_baselines(run),
            charts=charts(drawn),
            remarks=remarks(run),
            looks=[(task, look(place)) for place, task in enumerate(drawn.tasks)],
            heatmap=_heatmap(drawn, chosen),
            numbers_in_cells=drawn.affinity is not None and len(drawn.affinity.tasks) <= NUMBERS_UP_TO,
            networks=chosen,
            stability=stability(run),
            histories=histories(run.affinity, partners(chosen)) if run.affinity is not None else [],
            score=_score(run, chosen),
            cooperations=cooperations(run.log.trainings),
            phases=_phases(run),
            config=as_yaml(run.config) if run.config else "",
            format=numbers,
        )
    )


def figures(run: Run) -> dict[str, Markup]:
    """All drawings of the report by names that suit files; where lines are tasks, with a legend."""
    table, chosen = rows(run), networks(run)
    found = {f"curve {panel.task}": curve(panel) for panel in _panels(run, table)}
    plots, together = plots_of(run)
    found |= {f"{plot.name} {task}": draw(plot) for task, own in plots.items() for plot in own}
    found |= {plot.name: draw(plot) for plot in together}
    found |= {chart.key: chart.drawing for chart in charts(run, legend=True)}
    if run.affinity is not None:
        found |= {f"affinity onto {task}": drawing for task, drawing in histories(run.affinity, partners(chosen))}
    single = {"affinity": _heatmap(run, chosen), "score": _score(run, chosen)}
    return found | {name: drawing for name, drawing in single.items() if drawing is not None}


def _facts(run: Run) -> list[tuple[str, str]]:
    split = (run.totals.get("rows") or {}) if data_of(run) is None else {}  # the data have a separate section
    facts = [(f"{part} rows", number(split.get(part))) for part in ("train", "validation", "test")]
    facts += [(part, number(run.totals.get(part))) for part in ("networks", "parameters")]
    shown = [(name, numbers.shown(value, 0)) for name, value in facts if value is not None]
    settings = [
        (key, run.config[key]) for key in ("sharing", "balance", "distill", "converge", "seed") if key in run.config
    ]
    shown += [("rows drawn from each data set", drawn)] if (drawn := _drawn_rows(run)) else []
    return shown + [(key, "off" if value is False else str(value)) for key, value in settings]


def _drawn_rows(run: Run) -> str:
    """Rows that the networks' trainings have drawn from each of several data sets."""
    trainings = {training.name: training for task in run.tasks if (training := run.training_of(task))}
    drawn = [sum(rows) for rows in zip(*(t.drawn for t in trainings.values() if t.drawn), strict=False)]
    data = run.config.get("data")
    tables = [str(source.get("table")) for source in data if isinstance(source, dict)] if isinstance(data, list) else []
    return "; ".join(f"{Path(table).name} {rows:,}" for table, rows in zip(tables, drawn, strict=False))


def _panels(run: Run, table: Sequence[Row]) -> list[Panel]:
    by_task = {row.task: row for row in table}
    return [_panel(run, task, by_task.get(task)) for task in run.tasks]


def _panel(run: Run, task: str, row: Row | None) -> Panel:
    training = run.training_of(task)
    converged = training.converged.get(task) if training else None
    sources = {"single_task": f"single_task.{task}", "all_in_one": "all_in_one"}
    found = {name: run.log.trainings.get(source) for name, source in sources.items()}
    baselines = {name: other.curve(task) for name, other in found.items() if other and other is not training}
    return Panel(
        task=task,
        metric=row.metric if row else "",
        direction=row.direction if row else "",
        ours=training.curve(task) if training else [],
        baselines=baselines,
        switch=converged.epoch if converged else row.converged_epoch if row else None,
        peak=row.peak if row and row.peak is not None else converged.peak if converged else None,
        returned=training.returned_epoch if training else None,
        phases=training.phases if training else (),
    )


def _drawn_baselines(run: Run) -> list[tuple[str, str]]:
    names = set(run.log.trainings)
    ours = {training.name for task in run.tasks if (training := run.training_of(task))}
    drawn = {"single_task": any(name.startswith("single_task.") for name in names - ours)}
    drawn["all_in_one"] = "all_in_one" in names - ours
    return [(name, BASELINES[name]) for name in BASELINES if drawn.get(name)]


def _heatmap(run: Run, chosen: list[NetworkTasks]) -> Markup | None:
    if run.affinity is None or len(run.affinity.tasks) < 2:
        return None
    return heatmap(run.affinity, groups(chosen, run.affinity.tasks), notes=notes(run))


def _score(run: Run, chosen: list[NetworkTasks]) -> Markup | None:
    points = [point for point in run.selection.get("curve") or [] if isinstance(point, dict)]
    pairs = [(number(point.get("networks")), number(point.get("score"))) for point in points]
    known = [(int(networks), score) for networks, score in pairs if networks is not None and score is not None]
    planned = run.selection.get("planned") or run.selection
    return score_curve(known, len(chosen), len(planned["networks"])) if len(known) > 1 else None


def _phases(run: Run) -> list[dict[str, Any]]:
    """Seconds by phase, each with its share of the longest for the bars."""
    phases = run.totals.get("seconds_by_phase") or {}
    known = {title_of(str(name)).replace("_", " "): number(seconds) for name, seconds in phases.items()}
    longest = max([seconds for seconds in known.values() if seconds], default=1.0)
    return [
        {"name": name, "seconds": seconds, "share": max(0.0, 100 * seconds / longest)}
        for name, seconds in known.items()
        if seconds is not None
    ]
