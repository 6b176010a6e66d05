"""From the results of a comparison to its page and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ...errors import UserError
from ...files import read_json, write_bytes
from ...reporting import numbers
from ...reporting.figures import write_figure
from ...reporting.templates import environment, style
from ...task.gain import arrow, sign
from ..analysis import FORMAT, analyse
from ..significance import notes, reach
from .intervals import Line, intervals
from .ranks import rank_diagram
from .scatter import Point, scatter
from .summary import VERDICTS, summary

_HERE = Path(__file__).parent
TESTS = {"t": "t-test", "wilcoxon": "Wilcoxon test", "permutation": "permutation test"}


def write_comparison(folder: Path, results: Mapping[str, Any]) -> Path:
    """Write ``report.html``, which needs nothing else, and every figure as a file in ``figures/``.

    SVG always; PNG as well where the extra ``figures`` is installed.

    Returns:
        The path of the report.
    """
    page = folder / "report.html"
    write_bytes(page, render(results, figures(results)).encode())
    write_figures(folder / "figures", results)
    return page


def write_figures(folder: Path, results: Mapping[str, Any]) -> None:
    """Every figure as a file: SVG, and PNG where the extra ``figures`` is installed."""
    for name, drawing in figures(results).items():
        write_figure(folder / name, drawing, _css())


def write_front(folder: Path, results: Mapping[str, Any], costs: Sequence[str]) -> None:
    """The trials of a search as ``front.svg`` (and PNG): the first two objectives, or the history of a single one.

    Args:
        folder: The folder of the search.
        results: What its ``results.json`` holds.
        costs: Objectives of which less is better.
    """
    names = results["objectives"][:2]
    trials = [trial for trial in results["trials"] if trial["values"] is not None]
    axes = ["trial", *names] if len(names) == 1 else sorted(names, key=lambda name: name not in costs)
    points = []
    for trial in trials:
        cost, quality = ((trial["values"] | {"trial": trial["number"]})[name] for name in axes)
        points.append(Point(str(trial["number"]), cost, quality, trial["number"] in results["front"]))
    write_figure(folder / "front", scatter(points, axes[0], axes[1]), _css())


def comparison_results(folder: Path) -> dict[str, Any] | None:
    """What ``results.json`` of a comparison holds; None if the folder is none.

    Raises:
        UserError: If it is damaged, or the comparison is not finished.
    """
    if not (folder / "results.json").exists():
        if (folder / "runs").is_dir():
            raise UserError(f"{folder}: this comparison is not finished; continue it with `polytask compare`")
        return None
    content = read_json(folder / "results.json")
    if not (isinstance(content, dict) and {"setups", "overall"} <= set(content)):
        return None
    return content if content.get("format") == FORMAT else analyse(content)


def render(results: Mapping[str, Any], drawn: Mapping[str, Markup]) -> str:
    """The report as text."""
    methods = list(dict.fromkeys(name for setup in results["setups"].values() for name in setup["methods"]))
    return (
        environment(_HERE)
        .get_template("comparison.html")
        .render(
            config=results["config"],
            methods=methods,
            setups=[_Setup(name, setup, drawn, results["config"]) for name, setup in results["setups"].items()],
            overall=results["overall"],
            ranks=drawn.get("ranks"),
            format=numbers,
            verdicts=VERDICTS,
            over_setups=_over_setups(results["overall"]["tests"], results["config"]),
            test_names=TESTS,
        )
    )


def _over_setups(tests: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """The tests whose unit is a set-up; ``methods`` is empty for a single one."""
    pairs = max((entry["pairs"] for entry in tests["skill"].values()), default=0)
    return {
        "reference": tests["reference"],
        "methods": tests["skill"],
        "notes": list(reach(pairs, len(tests["skill"]), config, "set-up")),
    }


def figures(results: Mapping[str, Any]) -> dict[str, Markup]:
    """All figures by the names of their files."""
    found: dict[str, Markup] = {}
    for name, setup in results["setups"].items():
        statistics = setup["statistics"]
        skills = _lines(statistics["skill"])
        if not skills:
            continue
        found[f"{name}-skill"] = intervals(skills, "mean skill on test")
        deltas = _lines((statistics["delta_m"] or {}).get("methods", {}))
        if deltas:
            found[f"{name}-delta-m"] = intervals(deltas, "delta m on test, %", zero=True)
        for key, title in (
            ("parameters", "thousand parameters at prediction"),
            ("total_seconds", "seconds in all, search included"),
        ):
            points = _points(statistics, key)
            if len(points) > 1:
                found[f"{name}-{key.replace('_', '-')}"] = scatter(points, title, "mean skill on test")
    overall = results["overall"]
    if "critical_difference" in overall:
        found["ranks"] = rank_diagram(overall["mean_rank"], overall["cliques"], overall["critical_difference"])
    return found


def _lines(entries: Mapping[str, Any]) -> list[Line]:
    """Best first; methods without a value are left out."""
    known = [
        Line(name, e["mean"], e["low"], e["high"], [s for s in e["seeds"] if s is not None])
        for name, e in entries.items()
        if e["mean"] is not None
    ]
    return sorted(known, key=lambda line: -line.mean)


def _points(statistics: Mapping[str, Any], cost: str) -> list[Point]:
    """Trees have no parameters that could be compared with a network's."""
    front = statistics["fronts"][cost]
    return [
        Point(name, entry[cost] / (1000 if cost == "parameters" else 1), skill, name in front["methods"])
        for name, entry in statistics["cost"].items()
        if name in front["compared"]
        for skill in [statistics["skill"][name]["mean"]]
        if entry[cost] is not None and skill is not None
    ]


class _Setup:
    """One set-up as the report shows it."""

    def __init__(
        self, name: str, setup: Mapping[str, Any], drawn: Mapping[str, Markup], config: Mapping[str, Any]
    ) -> None:
        self.name, self.statistics = name, setup["statistics"]
        self.rows, self.methods = setup["rows"], setup["methods"]
        self.sentences = summary(name, setup)
        self.notes = notes(setup, config)
        self.figures = {
            key: drawn[f"{name}-{key}"]
            for key in ("skill", "delta-m", "parameters", "total-seconds")
            if f"{name}-{key}" in drawn
        }
        self.tasks = [self._task(task, entry) for task, entry in setup["tasks"].items()]
        equal = self.statistics["cost"].get("equal", {}).get("seconds_per_step")
        self.relative_time = {
            method: cost["seconds_per_step"] / equal if cost["seconds_per_step"] and equal else None
            for method, cost in self.statistics["cost"].items()
        }

    def _task(self, task: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        spreads = {method: found[task] for method, found in self.statistics["tasks"].items()}
        known = {method: found["mean"] for method, found in spreads.items() if found["mean"] is not None}
        return {
            "name": task,
            "metric": entry["metric"],
            "arrow": arrow(entry["direction"]),
            "decimals": numbers.places(known.values()),
            "level": self.statistics["levels"][task],
            "spreads": spreads,
            "best": max(known, key=lambda method: sign(entry["direction"]) * known[method], default=None),
            "tests": self.statistics["tests"]["tasks"].get(task, {}),
        }


def _css() -> str:
    return style() + (_HERE / "comparison.css").read_text(encoding="utf-8")
