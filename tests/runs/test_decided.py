"""What a machine decides is decided once: a run goes on elsewhere as it began."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest
import torch

from killable import outcome
from polytask.errors import UserError
from polytask.runs.decided import Decided
from polytask.runs.preparation import stored as prepare_stored
from small_table import fit, polytask, table_rows, write_table

OPTIONS = ("--set", "model.hidden=[8]", "--set", "evaluate_every=10", "--no-baselines")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decided")
    csv = write_table(folder / "table.csv", table_rows(200))
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(csv), folder / "table.parquet", row_group_size=50)
    return folder / "table.parquet"


@pytest.mark.slow
def test_a_run_goes_on_with_other_memory_and_cores_as_it_began(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    here, there = tmp_path / "here", tmp_path / "there"
    with monkeypatch.context() as small:
        small.setattr(prepare_stored, "MEMORY_SHARE", 1e-9)
        assert fit(table, here, *OPTIONS).exit_code == 0
        with monkeypatch.context() as stopped:
            stopped.setattr("polytask.runs.fresh.plan_networks", stop)
            assert fit(table, there, *OPTIONS).exit_code == 130
    threads = torch.get_num_threads()
    result = polytask("fit", "--out", there, "--resume")
    assert result.exit_code == 0 and "read while training" in result.stderr
    assert outcome(there) == outcome(here)
    decided = json.loads((there / "results.json").read_text(encoding="utf-8"))["made_with"]["decided"]
    assert decided == {"stream": True, "device": "cuda" if torch.cuda.is_available() else "cpu", "threads": threads}


def test_a_run_that_began_on_a_gpu_is_not_continued_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    state = {"stream": False, "device": "cuda", "threads": 2}
    with pytest.raises(UserError, match="began on a GPU"):
        Decided.stored(state, "state.json")
    with pytest.raises(UserError, match="damaged"):
        Decided.stored({"device": "cpu"}, "state.json")
    assert Decided.stored(None, "state.json") is None
