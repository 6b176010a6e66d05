"""One small training in Lightning, Trainer and accelerate, in one process or two: whole, stopped, and resumed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import polytask as pt
from polytask.integrations import KeptPeaks
from polytask.processes.collectives import rank, wait_for_all

X = torch.randn(96, 6, generator=torch.Generator().manual_seed(0))
TARGETS = {"a": X[:, 0], "b": 5 * X[:, 1]}
ROWS = TensorDataset(X, *TARGETS.values(), torch.arange(len(X)))
TASKS = [pt.Task(name, "regression") for name in TARGETS]
#: R2 after every epoch of three steps: "b" is at its best after the second, and converges after the third.
COURSE = [{"a": 0.1, "b": 0.5}, {"a": 0.2, "b": 0.9}, {"a": 0.3, "b": 0.4}, {"a": 0.4, "b": 0.4}, {"a": 0.5, "b": 0.4}]
EPOCHS, STOP, BATCH = 5, 4, 32


class Stopped(Exception):
    """Instead of a kill."""


class Parts:
    """What all frameworks train."""

    def __init__(self, method: str) -> None:
        torch.manual_seed(0)
        self.network = torch.nn.ModuleDict(
            {"trunk": torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh()), "heads": torch.nn.Linear(8, 2)}
        )
        self.shared = list(self.network["trunk"].parameters())
        self.balancer = pt.balancing.BALANCERS[method]()
        self.peaks = KeptPeaks(TASKS, _infer, balancer=self.balancer, patience=1, min_evaluations=0, teachers=1)
        self.weights: list[list[float]] = []

    def backward(self, losses: dict[str, Tensor], backward: Callable[[Tensor], object]) -> None:
        """One step's gradients."""
        self.weights.append(self.balancer.backward(losses, shared=self.shared, backward=backward).tolist())

    def found(self) -> dict[str, Any]:
        """All that has to be equal."""
        return {
            "parameters": torch.cat([parameter.detach().flatten() for parameter in self.network.parameters()]),
            "weights": torch.tensor(self.weights),
            "converged": dict(self.peaks.state.converged_at),
        }


def outputs_of(network: Any, x: Tensor) -> dict[str, Tensor]:
    """Outputs by task."""
    return dict(zip(TARGETS, network["heads"](network["trunk"](x)).unbind(1), strict=True))


def _infer(model: Any, task: str) -> Tensor:
    return outputs_of(getattr(model, "network", model), X)[task]


def with_lightning(parts: Parts, folder: Path, processes: int, stop: bool) -> None:
    """Resumes if there is a checkpoint."""
    import pytorch_lightning as pl

    from polytask.integrations.lightning import Balancing, ConvergenceCallback

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.network = parts.network

        def training_step(self, batch: Any, index: int) -> None:
            if stop and self.current_epoch == STOP:
                raise Stopped
            x, a, b, ids = batch
            losses = parts.peaks.losses(outputs_of(self.network, x), {"a": a, "b": b}, ids)
            parts.backward(losses, self.manual_backward)
            self.optimizers().step()
            self.optimizers().zero_grad()

        def validation_step(self, batch: Any, index: int) -> None:
            self.log_dict({f"val_{task}": value for task, value in COURSE[self.current_epoch].items()}, sync_dist=True)

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), 1e-2)

    saved = pl.callbacks.ModelCheckpoint(folder, save_last=True)
    trainer = pl.Trainer(max_epochs=EPOCHS, default_root_dir=folder, accelerator="cpu", devices=processes, logger=False,
                         strategy="ddp" if processes > 1 else "auto", use_distributed_sampler=False,
                         enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
                         callbacks=[Balancing(parts.balancer), ConvergenceCallback(parts.peaks), saved])  # fmt: skip
    sampler = DistributedSampler(ROWS, processes, rank(), shuffle=False)  # Lightning's own shuffles
    loader = DataLoader(ROWS, batch_size=BATCH // processes, sampler=sampler)
    trainer.fit(Module(), loader, DataLoader(ROWS, batch_size=96), ckpt_path="last")


def with_trainer(parts: Parts, folder: Path, processes: int, stop: bool) -> None:
    """Resumes if there is a checkpoint."""
    from transformers import TrainingArguments
    from transformers.trainer_utils import get_last_checkpoint

    from polytask.integrations.transformers import BalancedTrainer, ConvergenceCallback

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = parts.network

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return outputs_of(self.network, x)

    class Balanced(BalancedTrainer):
        def compute_losses(self, model: Any, inputs: Any) -> Any:
            if stop and self.state.global_step == STOP * 3:
                raise Stopped
            return parts.peaks.losses(model(inputs["x"]), inputs, inputs["ids"])

        def shared_parameters(self) -> Any:
            return parts.shared

        def _get_train_sampler(self, *_: Any) -> Any:
            return None  # rows in their order

        def evaluate(self, *_: Any, **__: Any) -> Any:
            metrics = {f"eval_{task}": value for task, value in COURSE[self.state.global_step // 3 - 1].items()}
            self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

    folder.mkdir(parents=True, exist_ok=True)
    arguments = TrainingArguments(
        str(folder), num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH // processes, learning_rate=1e-2,
        lr_scheduler_type="constant", eval_strategy="epoch", save_strategy="epoch", remove_unused_columns=False,
        max_grad_norm=0.0, report_to=[], disable_tqdm=True, use_cpu=True, save_total_limit=1,
    )  # fmt: skip
    rows = [{"x": x, "a": a, "b": b, "ids": index} for x, a, b, index in ROWS]
    callbacks = [ConvergenceCallback(parts.peaks)]
    trainer = Balanced(Model(), arguments, None, rows, rows, balancer=parts.balancer, callbacks=callbacks)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(folder)))


def with_accelerate(parts: Parts, folder: Path, processes: int, stop: bool) -> None:
    """Resumes if there is a checkpoint."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model, optimizer, loader = accelerator.prepare(
        _Network(parts.network), torch.optim.Adam(parts.network.parameters(), 1e-2),
        DataLoader(ROWS, batch_size=BATCH // processes),
    )  # fmt: skip
    accelerator.register_for_checkpointing(parts.balancer, parts.peaks)
    done = [int(path.name) for path in folder.glob("[0-9]")]
    if done:
        accelerator.load_state(str(folder / str(max(done))))
    for epoch in range(max(done, default=0), EPOCHS):
        if stop and epoch == STOP:
            raise Stopped
        for x, a, b, ids in loader:
            parts.backward(parts.peaks.losses(model(x), {"a": a, "b": b}, ids), accelerator.backward)
            optimizer.step()
            optimizer.zero_grad()
        parts.peaks.update(3 * epoch + 3, COURSE[epoch], parts.network)
        accelerator.save_state(str(folder / str(epoch + 1)))


class _Network(torch.nn.Module):
    def __init__(self, network: torch.nn.ModuleDict) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return outputs_of(self.network, x)


FRAMEWORKS = {"lightning": with_lightning, "trainer": with_trainer, "accelerate": with_accelerate}


def trained(framework: str, method: str, folder: Path, processes: int) -> dict[str, dict[str, Any]]:
    """A training that was not stopped, and one that was and goes on."""
    train = FRAMEWORKS[framework]
    whole, stopped, resumed = Parts(method), Parts(method), Parts(method)
    train(whole, folder / "whole", processes, False)
    try:
        train(stopped, folder / "stopped", processes, True)
    except Stopped:
        wait_for_all()  # until the first has written its checkpoint
        train(resumed, folder / "stopped", processes, False)
    resumed.weights = stopped.weights + resumed.weights
    return {"whole": whole.found(), "resumed": resumed.found()}


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(number: int, folder: str, port: int, pairs: list[tuple[str, str]]) -> None:
    """All ``(framework, method)`` in process ``number`` of two; what was found goes into a file."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}  # fmt: skip
    torch.distributed.init_process_group("gloo", rank=number, world_size=2)
    found = {}
    for pair in pairs:
        found[pair] = trained(*pair, Path(folder) / "-".join(pair), 2)
    torch.save(found, f"{folder}/{number}.pt")
    torch.distributed.destroy_process_group()
