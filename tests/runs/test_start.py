"""Networks that start from the weights of the training that measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from killable import assert_same, outcome
from polytask.runs import trainer
from small_table import assert_refused, fit, table_rows, write_table

MEASURED = ("--networks", 2, "--no-baselines", "--quiet", "--set", "start=measured")


@pytest.mark.slow
def test_networks_begin_with_the_measured_weights_and_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    begun: dict[str, Any] = {}
    joint: list[Any] = []
    usual = trainer.fit

    def recorded(model: Any, **options: Any) -> Any:
        name = options["name"]
        begun[name] = {key: value.clone() for key, value in model.state_dict().items()}
        if name in stop:
            raise KeyboardInterrupt
        result = usual(model, **options)
        if name == "all_in_one":
            joint.append(result.model)
        return result

    monkeypatch.setattr(trainer, "fit", recorded)
    stop = {"network_1"}
    assert fit(data, tmp_path / "stopped", *MEASURED).exit_code == 130
    stop = set()
    assert fit(data, tmp_path / "stopped", *MEASURED, "--resume").exit_code == 0
    assert fit(data, tmp_path / "whole", *MEASURED).exit_code == 0
    assert_same(tmp_path / "stopped", outcome(tmp_path / "whole"))
    for name in ("network_0", "network_1"):
        encoder = {key: value for key, value in begun[name].items() if key.startswith("encoder.")}
        for model in joint:
            expected = {f"encoder.{key}": value for key, value in model.encoder.state_dict().items()}
            assert encoder.keys() == expected.keys()
            assert all(torch.equal(value, expected[key]) for key, value in encoder.items())
    assert fit(data, tmp_path / "whole", *MEASURED[:-2], "--resume").exit_code == 2  # it began with start=measured


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--networks", 1), "networks: 1"),
        (("--networks", "single_task"), "networks: single_task"),
        (("--grouping", "random"), "grouping: random"),
        (("--sharing", "mmoe"), "hard sharing, found sharing: 'mmoe'"),
    ],
)
def test_where_nothing_fits_it_is_refused(options: tuple[object, ...], words: str, tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows(60))
    assert_refused(fit(data, tmp_path / "run", *options, "--set", "start=measured"), "start: ", words)
