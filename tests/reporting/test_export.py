"""Figures and tables of a run as files."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from polytask.reporting import export_run
from small_table import assert_refused, polytask

MakeRun = Callable[..., Path]


@pytest.mark.parametrize("tasks", [1, 9, 40])
def test_every_figure_is_a_file_that_stands_alone(make_run: MakeRun, tmp_path: Path, tasks: int) -> None:
    export_run(make_run(tasks=tasks), tmp_path / "paper")
    drawn = sorted((tmp_path / "paper").glob("*.svg"))
    assert len(drawn) == tasks + (5 if tasks > 1 else 0)
    for path in drawn:
        root = ET.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("aria-label")
        assert "var(" not in path.read_text(encoding="utf-8")


def test_images_are_drawn_in_colour(make_run: MakeRun, tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    image = pytest.importorskip("PIL.Image")
    export_run(make_run(tasks=9), tmp_path)
    for name, least in (("weights", 6), ("affinity", 20), ("curve-click", 2)):
        with image.open(tmp_path / f"{name}.png") as pixels:
            colours = {
                colour for _, colour in pixels.convert("RGB").getcolors(1 << 20) if max(colour) - min(colour) > 60
            }
        assert sum(max(colour) - min(colour) > 60 for colour in colours) >= least, name


def test_a_drawing_that_leaves_the_page_names_its_lines(make_run: MakeRun, tmp_path: Path) -> None:
    export_run(make_run(tasks=9), tmp_path)
    words = [part.text for part in ET.parse(tmp_path / "conflicts.svg").iter() if part.get("class") == "name"]
    assert len(words) == 9 and words[0] == "click"


def test_tables_hold_the_numbers(make_run: MakeRun, tmp_path: Path) -> None:
    export_run(make_run(tasks=9), tmp_path)
    with (tmp_path / "tasks.csv").open(newline="", encoding="utf-8") as stream:
        found = list(csv.DictReader(stream))
    assert len(found) == 9 and found[0]["task"] == "click" and float(found[0]["test"]) > 0.5
    with (tmp_path / "course.csv").open(newline="", encoding="utf-8") as stream:
        history = list(csv.DictReader(stream))
    assert {line["training"] for line in history} >= {"all_in_one", "network_0", "single_task.click"}
    assert any(float(line["conflicts"]) > 0 for line in history if line["conflicts"])
    assert (tmp_path / "affinity.md").read_text(encoding="utf-8").startswith("| an update on | click |")


def test_the_command(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(tasks=2)
    result = polytask("report", folder, "--figures", tmp_path / "paper")
    assert result.exit_code == 0 and "report.html" in result.stdout and (tmp_path / "paper" / "score.svg").exists()
    assert_refused(polytask("report", tmp_path, "--figures", tmp_path / "other"), "not a run")
