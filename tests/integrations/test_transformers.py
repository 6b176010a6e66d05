"""The Trainer: accumulation, and a training that is stopped and resumed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import polytask as pt

transformers = pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
pytest.importorskip("accelerate", reason="the extra 'transformers' is not installed")

from polytask.integrations import KeptPeaks  # noqa: E402, after the skip
from polytask.integrations.transformers import BALANCER_FILE, BalancedTrainer, ConvergenceCallback  # noqa: E402

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
ROWS = [{"x": X[row], "a": X[row, 0], "b": 5 * X[row, 1]} for row in range(64)]


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.heads = torch.nn.Linear(4, 6), torch.nn.Linear(6, 2)

    def forward(self, x: Any, a: Any = None, b: Any = None) -> dict[str, Any]:
        outputs = self.heads(self.trunk(x).relu())
        if a is None:
            return {"outputs": {"a": outputs[:, 0], "b": outputs[:, 1]}}
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


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_batch_without_labels_adds_nothing(accumulate: int, tmp_path: Path) -> None:
    seen: list[int] = []

    class Now(Balanced):
        def compute_losses(self, model: Any, inputs: Any) -> Any:
            seen.append(len(seen))
            return {} if seen[-1] == 1 else super().compute_losses(model, inputs)

    arguments = _arguments(tmp_path, per_device_train_batch_size=16, save_strategy="no", max_steps=4 // accumulate,
                           gradient_accumulation_steps=accumulate)  # fmt: skip
    trainer = Now(Network(), arguments, train_dataset=ROWS, balancer=pt.balancing.UPGrad())
    assert 0 < trainer.train().training_loss < 100 and len(seen) == 4 and trainer.balancer.steps == 3


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
    with pytest.raises(pt.UserError, match="would start from scratch"):
        trainer(20, "elsewhere").train(resume_from_checkpoint=str(tmp_path / "parts" / "checkpoint-10"))


TASKS = [pt.Task("a", "regression"), pt.Task("b", "regression")]
#: R2 of the tasks at every tenth step: "b" is at its best at step 20 and converges at step 30.
COURSE = {"a": [0.1, 0.2, 0.3, 0.4, 0.5], "b": [0.5, 0.9, 0.3, 0.2, 0.2]}


def _converging(folder: Path, steps: int, kind: Any = transformers.Trainer, **options: Any) -> Any:
    """A Trainer whose losses come from KeptPeaks and whose metrics follow a script."""
    peaks = KeptPeaks(TASKS, lambda model, task: model(X)["outputs"][task], patience=1, min_evaluations=0, teachers=1)

    class Converging(kind):  # type: ignore[misc]
        def compute_losses(self, model: Any, inputs: Any) -> Any:
            return peaks.losses(model(inputs["x"])["outputs"], inputs, inputs["ids"])

        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
            loss = sum(self.compute_losses(model, inputs).values())
            return (loss, {"loss": loss}) if return_outputs else loss

        def evaluate(self, *args: Any, metric_key_prefix: str = "eval", **_: Any) -> Any:
            index = self.state.global_step // 10 - 1
            metrics = {f"{metric_key_prefix}_{task}": values[index] for task, values in COURSE.items()}
            self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

    arguments = _arguments(folder, per_device_train_batch_size=16, max_steps=steps, save_steps=10, logging_steps=5,
                           learning_rate=1e-2, lr_scheduler_type="constant", eval_strategy="steps", eval_steps=10,
                           resume_from_checkpoint=options.pop("resume_from_checkpoint", None))  # fmt: skip
    rows = [row | {"ids": index} for index, row in enumerate(ROWS)]
    callbacks = [ConvergenceCallback(peaks)]
    trainer = Converging(Network(), arguments, None, rows, rows, callbacks=callbacks, **options)
    trainer.peaks = peaks
    return trainer


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The folder of a training that was stopped at step 30, and one that was not, until step 50."""
    folder = tmp_path_factory.mktemp("stopped")
    _converging(folder, 30).train()
    whole = _converging(tmp_path_factory.mktemp("whole"), 50)
    whole.train()
    assert set(whole.peaks.soft) == {"b"}
    return folder, whole


def _is_whole(found: Any, whole: Any) -> bool:
    same = all(torch.equal(a, b) for a, b in zip(found.model.parameters(), whole.model.parameters(), strict=True))
    return same and found.peaks.state.converged_at == whole.peaks.state.converged_at


def test_peaks_are_resumed_from_output_dir(stopped: tuple[Path, Any], tmp_path: Path) -> None:
    shutil.copytree(stopped[0], tmp_path / "copy")
    trainer = _converging(tmp_path / "copy", 50)
    trainer.train(resume_from_checkpoint=True)
    assert _is_whole(trainer, stopped[1])


def test_peaks_are_resumed_from_any_folder_that_the_arguments_name(stopped: tuple[Path, Any], tmp_path: Path) -> None:
    checkpoint = str(stopped[0] / "checkpoint-30")
    trainer = _converging(tmp_path, 50, resume_from_checkpoint=checkpoint)
    trainer.train(resume_from_checkpoint=checkpoint)
    assert _is_whole(trainer, stopped[1])


def test_a_balanced_trainer_resumes_peaks_from_any_folder(tmp_path: Path) -> None:
    def trainer(folder: str, steps: int) -> Any:
        return _converging(tmp_path / folder, steps, BalancedTrainer, balancer=pt.balancing.DWA())

    trainer("stopped", 30).train()
    whole, resumed = trainer("whole", 50), trainer("elsewhere", 50)
    whole.train()
    (tmp_path / "stopped" / "checkpoint-30").rename(tmp_path / "moved")
    resumed.train(resume_from_checkpoint=str(tmp_path / "moved"))
    assert _is_whole(resumed, whole)


def test_peaks_of_another_training_are_not_taken(stopped: tuple[Path, Any], tmp_path: Path) -> None:
    checkpoint = str(stopped[0] / "checkpoint-30")
    with pytest.raises(pt.UserError, match=r"kept_peaks.safetensors: not found.*resume_from_checkpoint="):
        _converging(tmp_path, 50).train(resume_from_checkpoint=checkpoint)
    other = _converging(tmp_path, 30)
    other.args.learning_rate = 3e-2
    other.train()
    with pytest.raises(pt.UserError, match="peaks belong to a different training"):
        _converging(tmp_path, 50).train(resume_from_checkpoint=checkpoint)


def test_metrics_of_several_datasets_come_in_several_evaluations(tmp_path: Path) -> None:
    callback = ConvergenceCallback(KeptPeaks(TASKS, lambda model, task: torch.zeros(64)))
    arguments, state, model = _arguments(tmp_path), transformers.TrainerState(), torch.nn.Linear(1, 1)

    def evaluated(**metrics: float) -> int:
        callback.on_evaluate(arguments, state, None, metrics=metrics, model=model)
        return callback.peaks.monitors["a"].evaluations

    assert evaluated(eval_a=0.1, eval_b=0.1) == 0  # before a training, or after one
    callback.on_train_begin(arguments, state, None)
    state.global_step = 10
    assert evaluated(eval_a=0.1) == 0 and evaluated(eval_b=0.2) == 1 and evaluated(test_a=0.3) == 1
    callback.on_step_begin(arguments, state, None, model=model)
    state.global_step = 20
    evaluated(eval_b=0.2)
    with pytest.raises(pt.UserError, match="eval_a not logged in this evaluation, found eval_b"):
        callback.on_step_begin(arguments, state, None, model=model)


def test_the_old_name_goes_on_for_a_while() -> None:
    import polytask.integrations.lightning as lightning
    import polytask.integrations.transformers as ours

    for module in (ours, lightning):
        with pytest.warns(DeprecationWarning, match="KeepPeaks is now called ConvergenceCallback"):
            assert module.KeepPeaks is module.ConvergenceCallback
