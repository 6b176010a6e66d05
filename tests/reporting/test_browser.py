"""The page of a run in a real browser, with mouse and keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from browser import seen_by
from polytask.reporting import write_report

SCRIPT = """
const all = (selector) => [...document.querySelectorAll(selector)];
const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const visible = (parts) => parts.filter((part) => part.getClientRects().length).length;
const found = {};
all("details").forEach((part) => { part.open = true; });
const plots = all("svg[data-frame]");
const boxes = all("svg.figure").map((svg) => svg.getBoundingClientRect());
found.drawn = boxes.every((box) => box.width > 100 && box.height > 50);
found.overflow = document.documentElement.scrollWidth > innerWidth;
found.stops = plots.filter((svg) => svg.getAttribute("tabindex") === "0").length;

plots[0].focus();
press("Home");
found.first = plots[0].nextElementSibling.innerText;
press("ArrowRight");
found.second = plots[0].nextElementSibling.innerText.split("\\n")[0];
press("ArrowDown");
found.next = document.activeElement === plots[1] && plots[0].nextElementSibling.hidden;
press("End");
press("Escape");
found.closed = plots[1].nextElementSibling.hidden;

const weights = plots.find((svg) => svg.getAttribute("aria-label").startsWith("Weight"));
const box = weights.getBoundingClientRect();
const at = (type, x) => weights.dispatchEvent(new PointerEvent(type, {
  clientX: box.left + x * box.width, clientY: box.top + 40, pointerType: "touch", bubbles: true }));
at("pointerdown", 0.6);
found.touch = weights.nextElementSibling.innerText.split("\\n").length;
found.rings = weights.querySelectorAll("circle.at").length;

const button = all("button[data-choose]")[1];
button.focus();
button.click();
found.pressed = all("button[aria-pressed=true]").length;
found.panels = visible(all("figure[data-task]"));
at("pointermove", 0.5);
found.only = weights.nextElementSibling.innerText.split("\\n").length;
button.click();
found.back = visible(all("figure[data-task]"));

const matrix = document.querySelector("svg[data-columns]");
matrix.focus();
press("ArrowRight"); press("ArrowRight"); press("ArrowDown");
found.cell = document.querySelector(".said").textContent;
document.title = JSON.stringify(found);
"""


@pytest.mark.slow
@pytest.mark.parametrize(("tasks", "width"), [(9, 1200), (40, 500)])
def test_everything_is_drawn_and_answers(make_run: Callable[..., Path], tasks: int, width: int) -> None:
    found = json.loads(seen_by(write_report(make_run(tasks=tasks)), SCRIPT, width))
    first = found.pop("first").split("\n")
    assert first[0] == "epoch 0.5"
    assert {line.split()[1] for line in first[1:]} == {"ours", "single-task", "plain"}
    values = [float(line.split()[0]) for line in first[1:]]
    assert values == sorted(values, reverse=True)
    assert "on itself" in found.pop("cell")  # from the first cell to the right and down: the diagonal
    lines = min(tasks, 6)
    assert found == {
        **{"drawn": True, "overflow": False, "stops": 2, "second": "epoch 1", "next": True, "closed": True},
        **{"touch": 1 + lines + (tasks > lines), "rings": lines, "pressed": 2, "panels": 1, "only": 2, "back": tasks},
    }
