"""The page as a whole: what it must say, for runs of any size."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
import yaml

from polytask import reporting
from polytask.reporting import write_report
from polytask.runs.plots.write import MOST_TARGETS
from polytask.task import Task
from polytask.task.plots import Matrix

MakeRun = Callable[..., Path]
ReadReport = Callable[[Path], Any]


@pytest.mark.parametrize("tasks", [1, 2, 3, 12, 40])
def test_every_task_is_named_in_full_and_escaped(make_run: MakeRun, read_report: ReadReport, tasks: int) -> None:
    folder = make_run(tasks=tasks)
    page = read_report(folder)
    names = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["targets"]
    text = page.text
    assert len(names) == tasks
    for name in names:
        assert text.count(name) >= 3  # table, curve, network
    assert f"{tasks} target" in text
    assert "visits <2026>.csv" in text


def test_nothing_in_names_or_settings_becomes_markup(make_run: MakeRun, read_report: ReadReport) -> None:
    page = read_report(make_run(tasks=9))
    assert "<time>" not in page
    assert page.count("<script") == 1  # the page's own
    assert "&lt;script&gt;" in page  # the configuration holds one
    assert '<p class="note">&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;</p>' in page  # the user's note


def test_the_page_needs_nothing_else(make_run: MakeRun, read_report: ReadReport) -> None:
    page = read_report(make_run(tasks=12))
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
    assert "url(" not in page
    assert "@import" not in page
    assert not {"link", "img", "iframe", "object"} & set(page.tags)
    assert not re.search(r"<script[^>]", page)  # its text is in the page
    assert "</script" not in (Path(reporting.__file__).parent / "page.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("tasks", [1, 3, 12, 40])
def test_drawings_are_well_formed_and_finite(make_run: MakeRun, read_report: ReadReport, tasks: int) -> None:
    page = read_report(make_run(tasks=tasks, networks=min(3, tasks)))
    drawings = re.findall(
        r'<svg viewBox="[^"]*" width[^>]*role="img".*?</svg>(?=\s*</(?:figure|div)>)', page, re.DOTALL
    )
    # One curve each; weights, norms and conflicts; the affinities, the score.
    assert len(drawings) == tasks + (5 if tasks > 1 else 0)
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        assert not re.search(r"\b(nan|inf|None)\b", drawing)


def test_a_row_holds_the_numbers_of_its_task(make_run: MakeRun, read_report: ReadReport) -> None:
    folder = make_run(tasks=4)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    results["tasks"]["click"] |= {"test": 0.9, "validation": 0.91, "kept": 0.985, "converged_epoch": 6.5, "network": 0}
    results["baselines"]["single_task"]["click"] = {"test": 0.875, "validation": 0.88}
    results["baselines"]["all_in_one"]["click"] = {"test": 0.95, "validation": None}
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    page = read_report(folder)
    result, trained = re.findall(r'<th scope="row">click .*?</tr>', page, re.DOTALL)
    assert cells_of(result) == [
        *["click", "binary,", "roc_auc", "↑", "0.900", "0.875", "+0.025", "0.950", "-0.050"],
    ]
    assert cells_of(trained) == ["click", "roc_auc", "↑", "0.910", "0", "6.5", "98.5", "%"]
    assert re.findall(r'class="gain (\w+)"', result) == ["better", "worse"]


def cells_of(row: str) -> list[str]:
    plain = re.sub(r"<[^>]*>", " ", row)
    return plain.replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "none").split()


def test_no_more_than_the_whole_peak_is_kept(make_run: MakeRun, read_report: ReadReport) -> None:
    folder = make_run(tasks=2)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    for task in results["tasks"].values():
        task["kept"] = 1.11
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    kept = re.findall(r'data-label="Peak kept">(.*?)<', read_report(folder))
    assert kept == ["100.0\N{NO-BREAK SPACE}%"] * 2


@pytest.mark.slow
@pytest.mark.parametrize(("tasks", "megabytes"), [(20, 1.0), (1000, 3.0)])
def test_the_page_is_small(make_run: MakeRun, tasks: int, megabytes: float) -> None:
    run = make_run(tasks=tasks, baselines=tasks < 100)
    drawn = list(json.loads((run / "results.json").read_text())["tasks"])[:MOST_TARGETS]
    of_target, together = plots_of_a_binary_target(), all_together(drawn)
    (run / "plots.json").write_text(json.dumps({"tasks": dict.fromkeys(drawn, of_target), "all": together}))
    page = write_report(run)
    assert page.stat().st_size < megabytes * 1e6
    text = page.read_text()
    assert text.count("Cumulative gains</figcaption>") == len(drawn) and "Missing labels" in text
    assert ("24 of the 1,000 targets" in text) == (tasks > MOST_TARGETS)


def plots_of_a_binary_target() -> list[dict[str, Any]]:
    """Of the kind with the most plots, as long as they get."""
    draw, task = torch.Generator().manual_seed(0), Task("t")
    p = torch.rand(3000, generator=draw)
    y = (torch.rand(3000, generator=draw) < p).float()
    return [plot.to_dict() for plot in task.definition.plots(task, p, y)]


def all_together(targets: list[str]) -> list[dict[str, Any]]:
    """The matrices of targets by features, by targets and by blocks of rows."""

    def matrix(name: str, title: str, columns: list[str]) -> dict[str, Any]:
        values = torch.rand(len(targets), len(columns), generator=torch.Generator().manual_seed(0))
        return Matrix(name, title, tuple(targets), tuple(columns), tuple(map(tuple, values.tolist()))).to_dict()

    numbers = [f"column {number}" for number in range(24)]
    return [matrix("importance", "Importance of the features", numbers), matrix("errors", "Correlations", targets),
            matrix("missing_labels", "Missing labels", numbers)]  # fmt: skip


def test_sections_come_in_the_order_of_reading(make_run: MakeRun, read_report: ReadReport) -> None:
    page = read_report(make_run(tasks=9))
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "Results on the test split",
        "How the networks were chosen and trained",
        "How it was run",
        "How to read this",
    ]
    assert re.findall(r"<h3>(.*?)</h3>", page) == [
        "The networks",
        "Convergence",
        "Validation curves",
        "Weights, gradient norms and conflicts",
        "Which task helps which",
        "Score against the number of networks",
        "Time by phase",
    ]


def test_the_same_run_gives_the_same_page(make_run: MakeRun, read_report: ReadReport) -> None:
    folder = make_run(tasks=5)
    assert read_report(folder) == read_report(folder)


def test_only_the_page_is_written(make_run: MakeRun) -> None:
    folder = make_run(tasks=3)
    before = {path.name for path in folder.iterdir()}
    assert write_report(folder) == folder / "report.html"
    assert {path.name for path in folder.iterdir()} - before == {"report.html"}


def test_one_network_has_no_affinity_section(make_run: MakeRun, read_report: ReadReport) -> None:
    text = read_report(make_run(tasks=3, networks=1)).text
    assert "All 3 tasks share one network." in text
    assert "Which task helps which" not in text
    assert "Score against" not in text


def test_served_tasks_and_helpers_are_distinguished(make_run: MakeRun, read_report: ReadReport) -> None:
    page = read_report(make_run(tasks=9, networks=3))
    assert page.count('<li class="served">') == 9
    assert page.count('<li class="helper">') == 1
    assert re.search(r'<li class="helper">click</li>', page)


def test_numbers_stand_in_the_cells_of_small_matrices_only(make_run: MakeRun, read_report: ReadReport) -> None:
    cell = re.compile(r'class="cell( on-dark)?"')
    assert len(cell.findall(read_report(make_run(tasks=12)))) == 12 * 11
    assert not cell.findall(read_report(make_run(tasks=13)))
