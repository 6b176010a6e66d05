"""A run whose networks are chosen by what single-task models gain."""

from __future__ import annotations

import json
from pathlib import Path

from small_table import fit, table_rows, write_table


def test_networks_are_chosen_from_what_the_run_has_trained(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.csv", table_rows(200))
    result = fit(table, tmp_path / "run", "--grouping", "gains", "--networks", "2", "--steps", "20",
                 "--set", "model.hidden=[8]", "--set", "evaluate_every=10")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    stored = json.loads((tmp_path / "run" / "selection.json").read_text(encoding="utf-8"))
    planned = stored.get("planned", stored)
    assert planned["grouping"] == "gains" and len(planned["networks"]) <= 2 and "stability" not in planned
    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    trained = {json.loads(line).get("training") for line in lines} - {None}
    assert not any(name.startswith("subset") for name in trained)
    assert len([name for name in trained if name.startswith("network")]) == len(planned["networks"])
