"""Runs without baselines, unfinished, killed, with undefined values, and folders that are no run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polytask.errors import UserError
from polytask.reporting import write_report

MakeRun = Callable[..., Path]
ReadReport = Callable[[Path], Any]


def change(path: Path, change: Callable[[dict], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_without_baselines_nothing_is_compared(make_run: MakeRun, read_report: ReadReport) -> None:
    text = read_report(make_run(tasks=5, baselines=False)).text
    assert "No baselines were trained" in text
    assert "our gain" not in text


def test_one_baseline_alone_is_compared(make_run: MakeRun, read_report: ReadReport) -> None:
    folder = make_run(tasks=5)
    change(folder / "results.json", lambda results: results["baselines"].pop("all_in_one"))
    text = read_report(folder).text
    assert "better than single-task models" in text
    assert "All-in-one" not in text


def test_an_unfinished_run_reports_it_and_shows_curves(make_run: MakeRun, read_report: ReadReport) -> None:
    page = read_report(make_run(tasks=5, finished=False))
    text = page.text
    assert "The run is not finished: 9 trainings done, the latest (network_2) was last seen at epoch 12." in text
    assert "Results on the test split" not in text
    assert page.count('class="line ours"') > 5


def test_a_run_that_was_killed_early(make_run: MakeRun, read_report: ReadReport) -> None:
    folder = make_run(tasks=3, networks=1, finished=False)
    log = folder / "metrics.jsonl"
    log.write_bytes(log.read_bytes()[:1000])  # in the middle of an event
    assert "Not finished" in read_report(folder)
    log.unlink()
    assert "no training has begun yet" in read_report(folder)


def test_undefined_values_are_shown_and_not_counted(make_run: MakeRun, read_report: ReadReport) -> None:
    folder = make_run(tasks=3, networks=1)

    def undefine(results: dict) -> None:
        results["tasks"]["click"] |= {"test": None, "validation": None, "peak": None, "kept": None, "network": None}
        results["totals"] = None

    change(folder / "results.json", undefine)
    page = read_report(folder)
    assert "of the 2 comparable tasks" in page.text
    assert re.search("<td[^>]*>\N{EN DASH}", page)


def test_a_metric_that_was_never_defined_leaves_an_empty_image(make_run: MakeRun, read_report: ReadReport) -> None:
    folder = make_run(tasks=3, networks=1)
    log = folder / "metrics.jsonl"
    log.write_text(re.sub(r'"click": -?[\d.]+', '"click": null', log.read_text(encoding="utf-8")), encoding="utf-8")
    assert read_report(folder).count("no defined value") == 1


def test_results_alone_are_enough(make_run: MakeRun, read_report: ReadReport) -> None:
    folder = make_run(tasks=4)
    for name in ("config.yaml", "metrics.jsonl", "affinity.json", "selection.json"):
        (folder / name).unlink()
    text = read_report(folder).text
    assert "4 targets" in text
    assert "How it was run" not in text


def test_baselines_are_drawn_behind_every_curve(make_run: MakeRun, read_report: ReadReport) -> None:
    page = read_report(make_run(tasks=4))
    for name in ("ours", "single_task", "all_in_one"):
        assert page.count(f'class="line {name}"') == 4 + 1 + (name == "ours")  # the legend; the score is ours too


def test_where_all_in_one_is_ours_it_is_drawn_once(make_run: MakeRun, read_report: ReadReport) -> None:
    folder = make_run(tasks=3, networks=1)
    log = folder / "metrics.jsonl"
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if '"network_0"' not in line]
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    page = read_report(folder)
    assert 'class="line all_in_one"' not in page
    assert page.count('class="line ours"') == 3 + 1


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run"):
        write_report(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        write_report(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("results.json", '{"tasks": {'),
        ("results.json", "[]"),
        ("results.json", '{"tasks": ["a"]}'),
        ("affinity.json", '{"tasks": ["a", "b"], "affinity": [[1, 2], [3]]}'),
        ("affinity.json", '{"affinity": [[1]]}'),
        ("selection.json", '{"networks": [["a"]]}'),
        ("config.yaml", "a: [1"),
        ("metrics.jsonl", '{"event": "a"}\n{"event"\n{"event": "b"}\n'),
        ("metrics.jsonl", "[1]\n"),
    ],
)
def test_a_damaged_file_is_named(make_run: MakeRun, name: str, content: str) -> None:
    folder = make_run(tasks=3)
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(name)):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_all_damaged_files_are_named_at_once(make_run: MakeRun) -> None:
    folder = make_run(tasks=3)
    for name in ("results.json", "affinity.json"):
        (folder / name).write_text("{", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        write_report(folder)
    assert len(caught.value.problems) == 2
