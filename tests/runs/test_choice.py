"""Which networks are kept: several only if they are clearly better on validation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polytask.runs import pipeline
from polytask.runs.choice import grouping_pays
from small_table import fit, table_rows, write_table


def test_several_networks_need_a_gain_above_its_standard_error() -> None:
    base = {"a": 0.5, "b": 0.5, "c": 0.5, "d": 0.5}
    assert grouping_pays(dict.fromkeys(base, 0.51), base)
    assert not grouping_pays(base, base)
    assert not grouping_pays({"a": 0.6, "b": 0.48, "c": 0.5, "d": 0.5}, base)
    assert not grouping_pays(dict.fromkeys(base, 0.49), base)


@pytest.mark.parametrize("pays", [False, True])
def test_auto_keeps_what_is_better_and_records_it(pays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "grouping_pays", lambda grouped, together: pays)
    monkeypatch.setattr("polytask.runs.choice.choose_budget", lambda curve: 2)
    data = write_table(tmp_path / "table.csv", table_rows())
    result = fit(data, tmp_path / "run", "--steps", 40, "--no-baselines", "--quiet")
    assert result.exit_code == 0, result.output
    selection = json.loads((tmp_path / "run" / "selection.json").read_text())
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert selection["compared"]["kept"] == ("grouped" if pays else "all_in_one")
    assert (len(selection["networks"]) > 1) == pays
    assert len(list((tmp_path / "run" / "networks").iterdir())) == len(selection["networks"])
    assert {name: entry["network"] for name, entry in results["tasks"].items()} == selection["serves"]
    if not pays:
        assert results["totals"]["trainings"] == ["all_in_one_network"]
        assert len(selection["planned"]["networks"]) == 2
