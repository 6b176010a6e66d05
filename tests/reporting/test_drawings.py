"""Every drawing copes with every series: empty, constant, of one point, with null, nan and numbers of any size."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup

from polytask.grouping import Windows
from polytask.records.run import TaskMatrix, read_run
from polytask.reporting.affinity_history import histories
from polytask.reporting.build import figures, render
from polytask.reporting.curves import Panel, curve
from polytask.reporting.heatmap import heatmap
from polytask.reporting.plots import draw
from polytask.reporting.score import score_curve
from polytask.reporting.tasks_over_time import task_lines
from polytask.task.plots import Curve, Graph, Matrix, plot_of_dict

NAN = float("nan")
numbers = st.one_of(
    st.floats(),
    st.floats(-10, 10),
    st.sampled_from([0.0, 1.0, 1e308, -1e308, 5e-324, 1e16, 1e16 + 2, 0.1, 0.1 + 1e-17]),
)
maybe = st.one_of(st.none(), numbers)
epochs = st.one_of(st.floats(0, 100), numbers, st.just(0.0), st.integers(0, 3).map(float))
lines = st.one_of(
    st.just([]),
    st.lists(st.tuples(epochs, numbers), max_size=4),
    st.tuples(epochs, numbers, st.integers(1, 4)).map(lambda one: [(one[0] + k, one[1]) for k in range(one[2])]),
)
names = st.text(max_size=6)


def check(*drawings: Markup) -> None:
    """Well-formed, with finite numbers wherever there is a place or a size."""
    for drawing in drawings:
        for node in ElementTree.fromstring(drawing).iter():
            for key in set(node.attrib) - {"aria-label", "class", "data-name", "data-task"}:
                assert not re.search(r"\b(nan|inf|None)\b", node.attrib[key]), (key, node.attrib[key])


@given(lines, lines, maybe, maybe, maybe, st.sampled_from(["max", "min", ""]), names)
@example([(1.0, 0.5)], [], 1.0, 0.5, 1.0, "max", "a\x00\x1b[31m\ud800")
@example([(0.0, NAN)], [(1.0, 1e308), (2.0, -1e308)], NAN, NAN, NAN, "min", "")
def test_curves(ours: Any, other: Any, switch: Any, peak: Any, returned: Any, direction: str, task: str) -> None:
    check(curve(Panel(task, "r2", direction, ours, {"all_in_one": other}, switch, peak, returned, [(1.0, task)])))


@given(st.dictionaries(names, lines, max_size=3), st.sampled_from([None, (0.0, 1.0)]), st.booleans())
@example({}, None, True)
@example({"a": []}, (0.0, 1.0), True)
@example({"a": [(1.0, 5e-324)], "b": [(1.0, 1e308)]}, None, False)
def test_lines_of_tasks(drawn: Any, bounds: Any, legend: bool) -> None:
    check(task_lines(drawn, "weight", bounds, legend))


@given(st.lists(st.tuples(st.integers(1, 9), numbers), max_size=5), st.integers(0, 9))
def test_scores(points: Any, knee: int) -> None:
    check(score_curve(points, 2, knee))


def square(k: int, of: st.SearchStrategy[Any]) -> st.SearchStrategy[list[list[Any]]]:
    return st.lists(st.lists(of, min_size=k, max_size=k), min_size=k, max_size=k)


@given(st.integers(0, 4).flatmap(lambda k: square(k, maybe)), st.booleans())
@example([[1.0]], True)
def test_matrices(values: Any, similarity: bool) -> None:
    tasks = [f"t{place}" for place in range(len(values))]
    check(heatmap(TaskMatrix(tasks, values), [tasks] if tasks else [], similarity))


@given(st.lists(square(2, numbers), min_size=1, max_size=3), st.lists(st.integers(0, 2), min_size=3, max_size=3))
def test_affinities_over_time(means: Any, counts: Any) -> None:
    steps = np.array([[0, k] for k in range(len(means))])
    windows = Windows(steps, np.array(means), np.stack([np.full((2, 2), count) for count in counts[: len(means)]]))
    drawn = histories(TaskMatrix(["a", "b"], [[0.0, 1.0], [1.0, 0.0]], windows), {"a": ["b"]})
    check(*(drawing for _, drawing in drawn))


@given(st.data())
def test_pages(make_run: Callable[..., Path], data: st.DataObject) -> None:
    folder = make_run(tasks=3, networks=2, finished=False)
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    events = [event for event in events if event["step"] in (0, 50, 100, 1200)]

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: changed(inner) for key, inner in value.items()}
        return data.draw(maybe) if isinstance(value, float) and data.draw(st.booleans()) else value

    kept = [event if data.draw(st.booleans()) else event | changed({k: event[k] for k in MEASURED if k in event})
            for event in events]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in kept), encoding="utf-8")
    run = read_run(folder)
    assert "</html>" in render(run)
    check(*figures(run).values())


MEASURED = ("validation", "losses", "weights", "gradient_norms", "conflicts", "peak", "epoch")


def test_a_name_with_control_characters_is_written_out(make_run: Callable[..., Path]) -> None:
    folder = make_run(tasks=3)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    results["tasks"]["a\x1b]0;b\x07\ud800"] = results["tasks"].pop("click")
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    page = render(read_run(folder))
    assert "\x1b" not in page and r"a\x1b]0;b\x07" in page
    page.encode()


roles = st.sampled_from(["ours", "reference", "points", "mark"])
drawn_curves = st.builds(
    lambda points, spans, role, name: Curve(name, tuple(points), tuple(spans), role),
    lines, st.lists(st.tuples(numbers, numbers), max_size=4), roles, names,
)  # fmt: skip


@given(st.lists(drawn_curves, max_size=3), st.booleans(), names)
@example([], True, "")
@example([Curve("a", ((0.0, NAN), (1e308, -1e308)), ((NAN, 0.0), (-1e308, 1e308)))], False, "a\x00\ud800")
def test_graphs(curves: list[Curve], whole: bool, title: str) -> None:
    check(draw(Graph("g", title, title, title, tuple(curves), whole)))


@given(st.integers(0, 3).flatmap(lambda k: st.tuples(square(k, maybe), st.one_of(st.none(), square(k, maybe)))), names)
@example(([[None]], [[NAN]]), "<b>")
def test_matrices_of_plots(cells: Any, name: str) -> None:
    values, shades = cells
    known = tuple(f"{name}{place}" for place in range(len(values)))
    stored = Matrix(
        "m", name, known, known, tuple(map(tuple, values)), name, name, shades and tuple(map(tuple, shades))
    )
    again = plot_of_dict(json.loads(json.dumps(stored.to_dict(), allow_nan=False)))
    check(draw(again))
