"""The page of a comparison: complete, honest about chance, and whole in a real browser."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser import seen_by
from polytask.comparison.analysis import analyse
from polytask.comparison.page import figures, write_comparison
from polytask.files import write_json
from small_table import assert_refused, polytask

METHODS = {"single_task": 0.0, "equal": 0.0, "better<&>": 0.05, "same": 0.0}


def results(seeds: int = 8) -> dict[str, Any]:
    """A comparison in which one method is better and one is the same, by construction."""
    draw = np.random.default_rng(0)
    base = draw.normal(0.8, 0.02, size=(seeds, 2))

    def record(method: str, seed: int) -> dict[str, Any]:
        value = base[seed] + METHODS[method] + draw.normal(0, 0.003, 2)
        tasks = {
            name: {"validation": v, "test": v, "trivial": 0.5, "kept": 0.98}
            for name, v in zip("ab", value, strict=True)
        }
        cost = {"seconds": 3.0, "steps": 10, "seconds_per_step": 0.1, "parameters": 1000, "networks": 1,
                "forwards": 1.0, "backwards": 1.0, "peak_memory": 10**8}  # fmt: skip
        return {"run": "x", "failure": None, "tasks": tasks, "cost": cost}

    methods = {
        name: {"keys": {}, "learner": "network", "chosen": {"learning_rate": 0.01}, "trials": [],
               "seeds": {str(seed): record(name, seed) for seed in range(seeds)}}
        for name in METHODS
    }  # fmt: skip
    task = {"kind": "binary", "metric": "roc_auc", "direction": "max"}
    config = {"seeds": list(range(seeds)), "trials": 1, "reference": "equal", "test": "permutation", "level": 0.05}
    setup = {"data": "t.csv", "rows": {"train": 7, "validation": 2, "test": 1}, "tasks": {"a": task, "b": task},
             "methods": methods}  # fmt: skip
    return analyse({"format": 1, "config": config, "setups": {"table": setup}})


def test_planted_truth_is_what_the_page_states(tmp_path: Path) -> None:
    text = write_comparison(tmp_path, results()).read_text()
    assert "Significantly better than equal: better&lt;&amp;&gt;." in text
    assert "No significant difference to equal: single_task and same." in text
    assert "baseline single_task" in text and "higher is better" in text
    assert "Beyond chance, better&lt;&amp;&gt; is better than equal in 2 and worse in 0 of 2 tasks." in text
    assert "permutation test over seeds" in text


def test_few_seeds_say_what_they_can_show_and_every_metric_has_its_levels(tmp_path: Path) -> None:
    found = results(seeds=3)
    found["setups"]["table"]["methods"]["same"]["learner"] = "trees"
    text = write_comparison(tmp_path, analyse(found)).read_text()
    assert "With 3 seeds no p-value is below 0.25" in text and "7 seeds could show" in text
    assert "Constant" in text and "0.500" in text and re.search(r"<small>same</small>", text)


def test_a_comparison_of_an_older_version_is_analysed_again(tmp_path: Path) -> None:
    old = results(seeds=2) | {"format": 1, "overall": {}}
    write_json(tmp_path / "results.json", old)
    assert polytask("report", tmp_path).exit_code == 0
    assert "No significant difference to equal" in (tmp_path / "report.html").read_text()


def test_one_seed_is_not_tested(tmp_path: Path) -> None:
    text = write_comparison(tmp_path, results(seeds=1)).read_text()
    assert "Too few runs to be tested against equal" in text
    assert "Significantly" not in text


def test_needs_nothing_else(tmp_path: Path) -> None:
    text = write_comparison(tmp_path, results()).read_text()
    assert not re.search(r"""(src|href)=["'](?!#)""", text)
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text


def test_figures_are_files_that_stand_alone(tmp_path: Path) -> None:
    found = results()
    write_comparison(tmp_path, found)
    for name, drawing in figures(found).items():
        root = ET.parse(tmp_path / "figures" / f"{name}.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("aria-label")
        assert "var(" not in (tmp_path / "figures" / f"{name}.svg").read_text()
        assert drawing.count("data-method") >= 3
    if (tmp_path / "figures" / "ranks.png").exists():  # with the extra
        assert (tmp_path / "figures" / "ranks.png").read_bytes().startswith(b"\x89PNG")


def test_report_command_writes_it_again(tmp_path: Path) -> None:
    write_json(tmp_path / "results.json", results())
    assert polytask("report", tmp_path).exit_code == 0
    assert "8 seeds" in (tmp_path / "report.html").read_text()


def test_an_unfinished_comparison_has_no_report(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    assert_refused(polytask("report", tmp_path), "not finished")


@pytest.mark.slow
def test_in_a_real_browser(tmp_path: Path) -> None:
    """No console errors, every figure drawn, and the buttons work."""
    page = write_comparison(tmp_path, results())
    press = """
      const button = document.querySelector('[data-choose="same"]');
      button.focus(); button.click();
      const boxes = [...document.querySelectorAll('svg.figure')].map(svg => svg.getBoundingClientRect());
      document.title = [document.activeElement === button, button.getAttribute('aria-pressed'),
        document.querySelectorAll('svg .method.chosen').length,
        boxes.every(box => box.width > 100 && box.height > 50)].join(' ');
    """
    assert seen_by(page, press) == f"true true {len(figures(results()))} true"
