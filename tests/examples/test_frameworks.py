"""The examples for other people's frameworks run with these, keep the peaks, and stay short."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_less_than_sixty_lines(example: Path) -> None:
    assert len(example.read_text(encoding="utf-8").splitlines()) < 60


def test_lightning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("pytorch_lightning", reason="the extra 'lightning' is not installed")
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(EXAMPLES / "lightning_module.py"))
    peaks, metrics = found["module"].peaks, found["trainer"].callback_metrics
    assert peaks.soft
    for task in peaks.soft:
        assert float(metrics[f"val_{task}"]) > 0.97 * peaks.monitors[task].best
    assert float(metrics["val_digit"]) > 0.9 and float(metrics["val_size"]) > 0.8
    saved = found["trainer"].callbacks[0].state_dict()
    assert set(saved["soft"]) == set(peaks.soft)


def test_lightning_checkpoints_hold_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pytorch_lightning", reason="the extra 'lightning' is not installed")
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(EXAMPLES / "lightning_module.py"))
    found["trainer"].save_checkpoint(tmp_path / "model.ckpt")
    callback = found["KeepPeaks"](found["KeptPeaks"](found["tasks"], found["module"].peaks.infer))
    module = found["Digits"]()
    module.peaks = callback.peaks
    trainer = type(found["trainer"])(max_epochs=61, callbacks=[callback], accelerator="cpu", logger=False,
                                     enable_checkpointing=False, enable_progress_bar=False)  # fmt: skip
    trainer.fit(module, found["loader"], found["validation"], ckpt_path=tmp_path / "model.ckpt", weights_only=False)
    assert set(found["module"].peaks.soft) <= set(callback.peaks.soft)


def test_transformers(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
    found = runpy.run_path(str(EXAMPLES / "transformers_trainer.py"))
    peaks, history = found["Balanced"].peaks, found["trainer"].state.log_history
    last = next(entry for entry in reversed(history) if "eval_topic" in entry)
    assert last["eval_topic"] > 0.9 and last["eval_question"] > 0.9
    assert peaks.soft
    checkpoint = Path(found["folder"]) / "checkpoint-100"
    assert (checkpoint / "kept_peaks.safetensors").exists()
    again = type(peaks)(found["tasks"], peaks.infer)
    callback = found["KeepPeaks"](again)
    callback.on_train_begin(found["trainer"].args, SimpleNamespace(global_step=100), None)
    assert again.monitors["topic"].evaluations == 10


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [(), ("-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu")])
def test_accelerate(launcher: tuple[str, ...]) -> None:
    pytest.importorskip("accelerate", reason="the extra 'transformers' is not installed")
    command = [sys.executable, *launcher, str(EXAMPLES / "accelerate_loop.py")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=480)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.count("accuracy") == 1 and float(result.stdout.split()[-1]) > 0.9
