"""Parameters that a training cannot work on as they are."""

from __future__ import annotations

from torch import nn
from torch.nn.parameter import is_lazy

from ..data import Rows
from ..data.rows import map_inputs
from ..errors import raise_all
from ..models import MultiTaskModel
from .evaluation import eval_mode


def make_lazy_parameters(model: MultiTaskModel, rows: Rows) -> None:
    """Let lazy layers (``nn.LazyLinear``) find their sizes in a forward pass of two rows."""
    lazy = [parameter for parameter in model.parameters() if is_lazy(parameter)]
    if lazy:
        device = lazy[0].device
        with eval_mode(model):
            model.features(map_inputs(rows.inputs, lambda leaf: leaf[:2].to(device)))


def check_parameters(model: nn.Module) -> None:
    """Raise if a parameter has gradients that methods and optimisers do not take.

    Raises:
        UserError: If an embedding has sparse gradients, or a parameter that trains is complex; all of them.
    """
    sparse = [name for name, part in model.named_modules() if getattr(part, "sparse", False) is True]
    problems = [f"model: {name} has sparse=True, and gradients have to be dense; make it with sparse=False"
                for name in sparse]  # fmt: skip
    problems += [
        f"model: parameter {name} is complex, and gradients have to be real; keep its real and imaginary part as "
        "torch.view_as_real gives them, and join them by torch.view_as_complex in forward"
        for name, parameter in model.named_parameters()
        if parameter.is_complex() and parameter.requires_grad
    ]
    raise_all(problems)
