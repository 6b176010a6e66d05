"""The examples for other people's frameworks run with these, keep the peaks, go on after a kill, and stay short."""

from __future__ import annotations

import ast
import runpy
import signal
import time
from pathlib import Path

import pytest
import torch

from started import EXAMPLES, Started

#: What processes of them import.
FRAMEWORKS = (
    "pytorch_lightning", "transformers.trainer", "transformers.models.bert.modeling_bert", "accelerate", "peft",
)  # fmt: skip


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_fewer_than_sixty_lines(example: Path) -> None:
    assert len(example.read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.slow
def test_lightning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("pytorch_lightning", reason="the extra 'lightning' is not installed")
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(EXAMPLES / "lightning_module.py"))
    peaks, metrics = found["module"].peaks, found["trainer"].callback_metrics
    assert peaks.soft
    for task in peaks.soft:
        assert float(metrics[f"val_{task}"]) > 0.97 * peaks.monitors[task].best
    assert float(metrics["val_digit"]) > 0.9 and float(metrics["val_size"]) > 0.8
    again = runpy.run_path(str(EXAMPLES / "lightning_module.py"))["module"]  # goes on where the first has ended
    assert again.peaks.state.converged_at == peaks.state.converged_at
    assert again.balancer.steps == found["module"].balancer.steps
    assert all(torch.equal(peaks.soft[task].outputs, again.peaks.soft[task].outputs) for task in peaks.soft)


@pytest.mark.slow
def test_transformers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(EXAMPLES / "transformers_trainer.py"))
    last = [entry for entry in found["trainer"].state.log_history if "eval_topic" in entry][-1]
    assert last["eval_topic"] > 0.9 and last["eval_question"] > 0.9
    assert found["Balanced"].peaks.soft
    again = runpy.run_path(str(EXAMPLES / "transformers_trainer.py"))  # from step 150
    assert again["Balanced"].peaks.state.converged_at == found["Balanced"].peaks.state.converged_at
    assert all(map(torch.equal, found["trainer"].model.parameters(), again["trainer"].model.parameters()))


def _killed_and_resumed(example: str, folder: Path, checkpoint: str) -> str:
    """What an example writes that two processes began, which were killed after their first checkpoint."""
    first = Started(example, folder, imports=FRAMEWORKS)
    give_up = time.monotonic() + 300
    try:
        while not list(folder.glob(checkpoint)):
            assert all(process.exitcode is None for process in first.processes), first.output()
            assert time.monotonic() < give_up, "there is no checkpoint"
            time.sleep(0.05)
    finally:
        first.kill()
    assert [process.exitcode for process in first.processes] == [-signal.SIGKILL] * 2
    return Started(example, folder, imports=FRAMEWORKS).output()


@pytest.mark.slow
def test_lightning_in_two_processes_killed_and_resumed(tmp_path: Path) -> None:
    pytest.importorskip("pytorch_lightning", reason="the extra 'lightning' is not installed")
    assert "Restored all states" in _killed_and_resumed("lightning_module.py", tmp_path, "lightning-run/last.ckpt")
    saved = torch.load(tmp_path / "lightning-run" / "last.ckpt", weights_only=False)
    assert saved["epoch"] == 59 and saved["callbacks"]["ConvergenceCallback"]["soft"]


@pytest.mark.slow
def test_transformers_in_two_processes_killed_and_resumed(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
    checkpoint = "trainer-run/checkpoint-*/kept_peaks.safetensors"
    last = _killed_and_resumed("transformers_trainer.py", tmp_path, checkpoint).rsplit("'eval_topic': '", 1)[1]
    assert float(last.split("'")[0]) > 0.9
    assert (tmp_path / "trainer-run" / "checkpoint-150" / "balancer.safetensors").exists()


@pytest.mark.slow
def test_accelerate_in_two_processes_killed_and_resumed(tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="the extra 'transformers' is not installed")
    output = _killed_and_resumed("accelerate_loop.py", tmp_path, "accelerate-run/[0-9]*")
    assert output.count("accuracy") == 1 and float(output.split()[-1]) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_adapters_with_checkpointing(processes: int, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="peft is not installed")
    output = Started("peft_checkpointing.py", tmp_path, processes, FRAMEWORKS).output()
    found = ast.literal_eval(output.splitlines()[-1])
    assert found["seven"] > 0.95 and found["small"] > 0.4
