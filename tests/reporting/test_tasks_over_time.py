"""Weights, norms and conflicts: drawn where the log has them, and said in a line where it has not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from polytask.reporting.tasks_over_time import UNKNOWN, look, task_lines

MakeRun = Callable[..., Path]
ReadReport = Callable[[Path], Any]


def change_log(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "metrics.jsonl"
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for event in events:
        change(event)
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")


def titles(page: str) -> list[str]:
    section = page.split("<h3>Weights, gradient norms and conflicts</h3>")[1].split("</section>")[0]
    return re.findall(r"<figcaption>(.*?)</figcaption>", section)


def test_every_task_has_a_line_in_every_chart(make_run: MakeRun, read_report: ReadReport) -> None:
    page = read_report(make_run(tasks=40))
    assert titles(page) == ["Weight", "Gradient norm", "Conflicts"]
    assert page.count('class="line task') == 40 * (3 + 1)  # and its key in the legend


def test_what_nobody_measured_is_reported_and_not_drawn(make_run: MakeRun, read_report: ReadReport) -> None:
    folder = make_run(tasks=3)
    change_log(folder, lambda event: (event.pop("gradient_norms", None), event.pop("conflicts", None)))
    page = read_report(folder)
    assert titles(page) == ["Weight"]
    assert UNKNOWN in page.text


def test_equal_weights_are_a_sentence(make_run: MakeRun, read_report: ReadReport) -> None:
    folder = make_run(tasks=3)

    def equal(event: dict[str, Any]) -> None:
        if "weights" in event:
            event["weights"] = dict.fromkeys(event["weights"], 1.0)

    change_log(folder, equal)
    page = read_report(folder)
    assert titles(page) == ["Gradient norm", "Conflicts"]
    assert "did not change: 1 for every task." in page.text


def test_one_task_has_no_such_section(make_run: MakeRun, read_report: ReadReport) -> None:
    assert "Weights, gradient norms" not in read_report(make_run(tasks=1))


def test_norms_of_different_size_are_drawn_in_powers_of_ten() -> None:
    drawing = task_lines({"a": [(0.0, 1e-3), (1.0, 1e-2)], "b": [(0.0, 10.0), (1.0, 1.0)]}, "norm")
    assert 'data-log="1"' in drawing and "power of ten" in drawing
    assert 'data-points="0,0.001 1,0.01"' in drawing  # the read-out tells the true values
    assert "data-log" not in task_lines({"a": [(0.0, 0.0), (1.0, 5.0)]}, "norm")


def test_forty_tasks_look_different() -> None:
    assert len({look(place) for place in range(40)}) == 40
