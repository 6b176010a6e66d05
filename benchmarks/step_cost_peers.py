"""Steps of other libraries on the models of step_cost.py, with a head per task as they want it.

``torchjd:UPGrad`` is torchjd's own ``mtl_backward`` and aggregator. ``libmtl:MGDA`` is LibMTL's weighting, in the step
of its trainer without the meters; ``libmtl:MGDA:rep`` the same at the representation. LibMTL is measured where it is
importable: ``pip install --no-deps LibMTL`` (1.1.5) into an environment of its own, whose folder goes into PYTHONPATH.
That release imports a module which torchvision has removed; its weightings do not need it, so an empty one takes its
place. Its CAGrad is written for three tasks.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

#: What LibMTL's weightings take as options, as in its own examples.
LIBMTL_OPTIONS: dict[str, dict[str, Any]] = {
    "DWA": {"T": 2.0}, "GradNorm": {"alpha": 1.5}, "MGDA": {"mgda_gn": "none"}, "GradVac": {"beta": 0.5},
    "GradDrop": {"leak": 0.0},
}  # fmt: skip
LIBMTL = ("EW", "UW", "DWA", "GradNorm", "MGDA", "PCGrad", "IMTL", "GradNorm:rep", "MGDA:rep", "IMTL:rep")
TORCHJD = ("UPGrad", "PCGrad", "CAGrad", "MGDA", "AlignedMTL", "IMTLG", "DualProj")

Losses = Callable[[nn.ModuleList, Tensor, Tensor], list[Tensor]]


def available() -> list[str]:
    """Peers that can be measured here."""
    found = [f"torchjd:{name}" for name in TORCHJD] if find_spec("torchjd") else []
    return found + ([f"libmtl:{name}" for name in LIBMTL] if find_spec("LibMTL") else [])


def peer_step(
    spec: str, encoder: nn.Module, heads: nn.ModuleList, losses: Losses
) -> tuple[Callable[[Tensor, Tensor], None], list[nn.Parameter]]:
    """A forward and backward pass for inputs and targets, and the parameters to optimise."""
    library, name, *more = spec.split(":")
    if library == "torchjd":
        return _torchjd(name, encoder, heads, losses), [*encoder.parameters(), *heads.parameters()]
    model = _libmtl(name, bool(more), encoder, heads)
    keywords = {"rep_grad": bool(more)} | LIBMTL_OPTIONS.get(name, {})
    if name == "DWA":
        model.train_loss_buffer[:, :] = 1.0

    def step(x: Tensor, y: Tensor) -> None:
        model.backward(torch.stack(losses(heads, model.represent(x), y)), **keywords)

    return step, list(model.parameters())


def _torchjd(name: str, encoder: nn.Module, heads: nn.ModuleList, losses: Losses) -> Callable[[Tensor, Tensor], None]:
    from torchjd import aggregation
    from torchjd.autojac import jac_to_grad, mtl_backward

    aggregator = getattr(aggregation, name)(**({"c": 0.5} if name == "CAGrad" else {}))
    shared = list(encoder.parameters())

    def step(x: Tensor, y: Tensor) -> None:
        features = encoder(x)
        own = [list(head.parameters()) for head in heads]
        mtl_backward(losses(heads, features, y), features, tasks_params=own, shared_params=shared)
        jac_to_grad(shared, aggregator)

    return step


def _libmtl(name: str, rep_grad: bool, encoder: nn.Module, heads: nn.ModuleList) -> Any:
    if "torchvision.models.utils" not in sys.modules:
        for module in ("torchvision", "torchvision.models", "torchvision.models.utils"):
            sys.modules.setdefault(module, types.ModuleType(module))
        sys.modules["torchvision.models.utils"].load_state_dict_from_url = None  # type: ignore[attr-defined]
    from LibMTL import weighting

    class Model(getattr(weighting, name)):  # type: ignore[misc]
        """LibMTL's hard parameter sharing, as far as its weightings look at it."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.heads, self.rep_grad = encoder, heads, rep_grad
            self.task_num, self.task_name = len(heads), [str(i) for i in range(len(heads))]
            self.device, self.rep_tasks, self.epoch = torch.device("cpu"), {}, 4
            self.train_loss_buffer = torch.ones(self.task_num, 10).numpy()
            self.init_param()

        def represent(self, x: Tensor) -> Any:
            self.rep = self.encoder(x)
            if not self.rep_grad:
                return self.rep
            self.rep_tasks = {task: self.rep.detach().requires_grad_() for task in self.task_name}
            return list(self.rep_tasks.values())

        def get_share_params(self) -> Any:
            return self.encoder.parameters()

        def zero_grad_share_params(self) -> None:
            self.encoder.zero_grad(set_to_none=False)

    return Model()
