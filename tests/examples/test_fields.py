"""The examples of fields do what their first lines promise."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from documents import ROOT

#: The least test metric of some targets of each.
LEAST = {
    "funnel": {"click": 0.7, "purchase": 0.75, "returned": 0.7, "spend": 0.6},
    "molecules": {"kinase": 0.8, "channel": 0.8, "solubility": 0.8},
    "prices": {"oil next range": 0.0, "copper next range": 0.0},
    "reviews": {"happy": 0.9, "stars": 0.8, "topic": 0.9, "question": 0.9, "praise": 0.9},
}


@pytest.mark.parametrize("name", LEAST)
def test_an_example_keeps_its_promise(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "examples" / f"{name}.py"
    assert len(path.read_text(encoding="utf-8").splitlines()) < 80
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.main()["tasks"]
    shown = capsys.readouterr().out
    for target, least in LEAST[name].items():
        assert found[target]["test"] > least, target
        assert f"{target}" in shown
