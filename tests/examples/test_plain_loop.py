"""The example of a plain loop keeps the peaks, and continues after a kill as if there had been none."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch

from polytask.integrations import KeptPeaks

EXAMPLE = str(Path(__file__).resolve().parents[2] / "examples" / "plain_loop_convergence.py")


class Killed(BaseException):
    """Stands for the signal that ends a process."""


@pytest.mark.slow
def test_peaks_are_kept_and_a_killed_training_continues(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "whole")
    whole = runpy.run_path(EXAMPLE)
    peaks = whole["peaks"]
    assert {"digit", "even"} <= set(peaks.soft)
    assert "converged at step" in capsys.readouterr().out
    assert min(whole["metrics"][name].value / peaks.monitors[name].best for name in peaks.soft) > 0.98

    monkeypatch.chdir(tmp_path / "killed")
    update = KeptPeaks.update

    def killed_late(self: KeptPeaks, step: int, *rest: object) -> list[str]:
        if step > max(peaks.state.converged_at.values()):
            raise Killed
        return update(self, step, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(KeptPeaks, "update", killed_late)
        runpy.run_path(EXAMPLE)
    continued = runpy.run_path(EXAMPLE)
    assert continued["done"] > 0 and continued["peaks"].soft.keys() == peaks.soft.keys()
    assert all(map(torch.equal, whole["model"].parameters(), continued["model"].parameters()))
