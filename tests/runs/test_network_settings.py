"""Networks with settings of their own."""

from __future__ import annotations

import json
from pathlib import Path

from small_table import assert_refused, fit, table_rows, write_table

GIVEN = ("--grouping", "given", "--groups", "click,size;price,rank", "--no-baselines")
OWN = "network_settings=[{tasks: [price], balance: dwa, converge: off}]"


def test_each_network_learns_as_its_settings_say(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    plain, own = tmp_path / "plain", tmp_path / "own"
    assert fit(data, plain, *GIVEN, "--quiet").exit_code == 0
    result = fit(data, own, *GIVEN, "--set", OWN)
    assert result.exit_code == 0, result.output
    assert "network_1 (price, rank): balance dwa, converge off" in result.stderr
    events = [json.loads(line) for line in (own / "metrics.jsonl").read_text().splitlines()]
    methods = {event["training"]: event["balancing"] for event in events if event["event"] == "training_start"}
    assert methods == {"network_0": "equal", "network_1": "dwa"}
    before, after = (json.loads((run / "results.json").read_text())["tasks"] for run in (plain, own))
    assert before["click"] == after["click"] and before["price"] != after["price"]
    assert fit(data, own, *GIVEN, "--set", OWN, "--resume", "--quiet").exit_code == 0
    assert_refused(fit(data, own, *GIVEN, "--resume"), "network_settings: the run in")


def test_settings_that_no_chosen_network_has_are_reported(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    apart = ("--networks", 2, "--apart", "click,price", "--no-baselines")
    result = fit(data, tmp_path / "run", *apart, "--set", "network_settings=[{tasks: [click, price], balance: dwa}]")
    assert result.exit_code == 0, result.output
    assert "network_settings: entry 1 is not used: no network that holds click, price is left for it" in result.stderr
    assert '"dwa"' not in (tmp_path / "run" / "metrics.jsonl").read_text()


def test_options_of_a_method_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows(60))
    wrong = "network_settings=[{tasks: [price], balance: {name: dwa, temprature: 2}}]"
    assert_refused(fit(data, tmp_path / "run", *GIVEN, "--set", wrong), "balance: dwa", "temprature")
    assert not (tmp_path / "run").exists()
