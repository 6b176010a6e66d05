"""The Trainer: accumulation, and a training that is stopped and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import polytask as pt

transformers = pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
pytest.importorskip("accelerate", reason="the extra 'transformers' is not installed")

from polytask.integrations.transformers import BALANCER_FILE, BalancedTrainer  # noqa: E402, after the skip

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
ROWS = [{"x": X[row], "a": X[row, 0], "b": 5 * X[row, 1]} for row in range(64)]


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.heads = torch.nn.Linear(4, 6), torch.nn.Linear(6, 2)

    def forward(self, x: Any, a: Any = None, b: Any = None) -> dict[str, Any]:
        outputs = self.heads(self.trunk(x).relu())
        errors = {"a": ((outputs[:, 0] - a) ** 2).mean(), "b": ((outputs[:, 1] - b) ** 2).mean()}
        return {"loss": errors["a"] + errors["b"], "errors": errors}


class Balanced(BalancedTrainer):
    def compute_losses(self, model: Any, inputs: Any) -> Any:
        return model(**inputs)["errors"]

    def shared_parameters(self) -> Any:
        return self.model.trunk.parameters()


class Gradient(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
    """The gradient of the last update."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self.found = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def _arguments(folder: Path, **options: Any) -> Any:
    plain = {
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "max_grad_norm": 0.0,
        "remove_unused_columns": False,
    }
    return transformers.TrainingArguments(str(folder), **(plain | options))


@pytest.mark.parametrize("accumulate", [1, 4])
def test_the_gradient_and_the_logged_loss_are_those_of_the_trainer(accumulate: int, tmp_path: Path) -> None:
    found, losses = [], []
    for kind, options in ((transformers.Trainer, {}), (Balanced, {"balancer": pt.balancing.Equal()})):
        arguments = _arguments(tmp_path, per_device_train_batch_size=64 // accumulate, save_strategy="no", max_steps=1,
                               gradient_accumulation_steps=accumulate, learning_rate=0.0)  # fmt: skip
        watch = Gradient()
        trainer = kind(Network(), arguments, train_dataset=ROWS, callbacks=[watch], **options)
        losses.append(trainer.train().training_loss)
        found.append(watch.found)
    torch.testing.assert_close(found[1], found[0])
    assert losses[1] == pytest.approx(losses[0])


@pytest.mark.parametrize("name", ["uw", "dwa", "gradnorm"])
def test_a_training_that_is_stopped_and_resumed_is_one_that_was_not(name: str, tmp_path: Path) -> None:
    def trainer(steps: int, folder: str) -> Any:
        arguments = _arguments(tmp_path / folder, per_device_train_batch_size=16, max_steps=steps, save_steps=10,
                               learning_rate=1e-2, lr_scheduler_type="constant")  # fmt: skip
        return Balanced(Network(), arguments, train_dataset=ROWS, balancer=pt.balancing.BALANCERS[name]())

    whole, first, second = trainer(20, "whole"), trainer(10, "parts"), trainer(20, "elsewhere")
    whole.train()
    first.train()
    second.train(resume_from_checkpoint=str(tmp_path / "parts" / "checkpoint-10"))
    for key, value in whole.balancer.state_dict().items():
        torch.testing.assert_close(second.balancer.state_dict()[key], value, rtol=0, atol=0, equal_nan=True)
    for expected, found in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(expected, found)
    (tmp_path / "parts" / "checkpoint-10" / BALANCER_FILE).unlink()
    with pytest.raises(pt.UserError, match="would begin anew"):
        trainer(20, "elsewhere").train(resume_from_checkpoint=str(tmp_path / "parts" / "checkpoint-10"))


def test_peaks_that_a_resumed_training_would_forget_are_an_error(tmp_path):
    from types import SimpleNamespace

    from polytask import Task, UserError
    from polytask.integrations import KeptPeaks
    from polytask.integrations.transformers import KeepPeaks

    callback = KeepPeaks(KeptPeaks([Task("a")], lambda model, task: torch.zeros(1)))
    callback.on_train_begin(SimpleNamespace(output_dir=tmp_path), SimpleNamespace(global_step=0), None)
    with pytest.raises(UserError, match=r"kept_peaks.safetensors: not found.*output_dir"):
        callback.on_train_begin(SimpleNamespace(output_dir=tmp_path), SimpleNamespace(global_step=5), None)
