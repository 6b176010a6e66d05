"""What a method costs is said before training."""

from __future__ import annotations

from pathlib import Path

import pytest

from small_table import fit, table_rows, write_table


@pytest.mark.parametrize(
    ("balance", "said"),
    [
        ("upgrad", "network_0: balancing by upgrad costs per step: 4 backward passes, 4 tasks x "),
        ("{name: upgrad, gradients: representation, every: 4}", "costs every 4 steps: gradients of 4 tasks at the"),
        ("famo", "balancing by famo costs per step: a second forward pass"),
        ("dwa", ""),
    ],
)
def test_fit_states_what_balancing_costs(balance: str, said: str, tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.csv", table_rows(60))
    options = ("--networks", 1, "--no-baselines", "--set", f"balance={balance}", "--steps", 4)
    result = fit(table, tmp_path / "run", *options)
    assert result.exit_code == 0, result.output
    output = " ".join(result.output.split())
    assert said in output if said else "balancing by" not in output
