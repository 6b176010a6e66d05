"""The figures of the concept pages: their drawings, and that every one of them is in the documentation."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from documents import PAGES, ROOT, links


@pytest.fixture(scope="module")
def figures() -> Any:
    spec = importlib.util.spec_from_file_location("figures", ROOT / "benchmarks" / "figures.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_figure_is_shown_on_a_page(figures: Any) -> None:
    shown = {(page.parent / target).resolve() for page in PAGES for target in links(page.read_text(encoding="utf-8"))}
    wanted = {ROOT / "docs" / "images" / f"{name}.svg" for name in figures.FIGURES}
    assert wanted <= {path for path in shown if path.exists()}


def test_a_panel_has_a_line_and_a_peak_per_task_and_marks_convergence(figures: Any) -> None:
    panel = figures.lines("title", {"a": [0.1, 0.5, 0.3], "b": [0.2, 0.2, 0.4]}, marks={"a": 2})
    assert panel.count("<path") == 2 and panel.count("<circle") == 2 and panel.count("stroke-dasharray") == 1


def test_a_matrix_is_in_the_order_of_its_groups(figures: Any, tmp_path: Path) -> None:
    shares = np.array([[math.nan, 0.5, -0.25], [0.1, math.nan, 0.7], [0.2, 0.3, math.nan]])
    drawn = figures.squares("label", shares, ["a", "b", "c"], [["b"], ["c", "a"]])
    assert drawn.count('class="group"') == 2 and ">0.70<" in drawn and "nan" not in drawn
    assert drawn.index(">b</text>") < drawn.index(">c</text>") < drawn.index(">a</text>")
