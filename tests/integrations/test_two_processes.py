"""Trainings of other libraries: two processes do what one does; stopped, a training goes on as if it had not been."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("pytorch_lightning", reason="the extra 'lightning' is not installed")
pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
pytest.importorskip("accelerate", reason="the extra 'transformers' is not installed")

from integrations.frameworks import FRAMEWORKS, free_port, run, trained
from spawned import run_in_processes

PAIRS = [(framework, method) for framework in FRAMEWORKS for method in ("upgrad", "gradnorm")]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[dict[Any, Any]]:
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("processes")
    run_in_processes(run, (str(folder), free_port(), PAIRS), 2, 400)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def _assert_equal(one: dict[str, Any], other: dict[str, Any], tolerance: float = 0.0) -> None:
    assert one["converged"] == other["converged"] and list(one["converged"]) == ["b"]
    torch.testing.assert_close(one["weights"], other["weights"], rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(one["parameters"], other["parameters"], rtol=tolerance, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_two_processes_are_one_and_a_stopped_training_goes_on(
    pair: tuple[str, str], both: list[dict[Any, Any]], tmp_path: Path
) -> None:
    first, second = (found[pair] for found in both)
    _assert_equal(first["whole"], second["whole"])
    _assert_equal(first["whole"], first["resumed"])
    _assert_equal(second["whole"], second["resumed"])
    alone = trained(*pair, tmp_path, 1)
    _assert_equal(alone["whole"], alone["resumed"])
    _assert_equal(alone["whole"], first["whole"], 1e-4)
