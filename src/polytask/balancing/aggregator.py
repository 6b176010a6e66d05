"""Methods of torchjd that turn a Gramian into weights."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from .extras import torchjd_aggregation
from .gradient_balancer import GradientBalancer


class Aggregator(GradientBalancer):
    """A weighting of torchjd, with what it lacks: rows of absent tasks left out, gradients of any scale, complete
    state, and the same result on every process.

    A method makes torchjd's object in :meth:`_make` and may override :meth:`solve`. The Gramian is scaled to trace 1,
    so that no floor inside a solver is met when gradients are small, and the weights are scaled back by
    :attr:`degree`.
    """

    extra: ClassVar[str] = "balancing"

    def __init__(self, *, gradients: str = "exact", every: int = 1, head_weighting: bool = False) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=head_weighting)
        torchjd_aggregation(self.name, self.extra)  # a missing package is reported now

    @property
    def degree(self) -> float:
        """The update for gradients c times as large is ``c ** degree`` times as large."""
        return 1.0

    def find(self, gramian: Tensor, present: Tensor) -> Tensor:
        squares = gramian.diagonal().sum()
        weights = self.solve(gramian / squares, present)
        return weights if self.degree == 1 else weights * squares ** ((self.degree - 1) / 2)

    def solve(self, gramian: Tensor, present: Tensor) -> Tensor:
        """As :meth:`find`, for a Gramian of trace 1."""
        return self._weighting(gramian)

    @property
    def _weighting(self) -> Any:
        """torchjd's object without separate state, made once."""
        if not hasattr(self, "_made"):
            self._made = [
                self._make(torchjd_aggregation(self.name, self.extra))
            ]  # in a list: no submodule, no keys in the state
        return self._made[0]

    def _make(self, torchjd: Any) -> Any:
        """The weighting, from the module ``torchjd.aggregation``."""
        raise NotImplementedError


class Projection(Aggregator):
    """A weighting of torchjd that projects gradients until they conflict with none, by quadratic programs.

    Args:
        reg_eps: Added to the diagonal of the Gramian of trace 1, for the solver; torchjd's default.
    """

    #: Its name in ``torchjd.aggregation``.
    weighting: ClassVar[str]

    def __init__(
        self, *, reg_eps: float = 1e-4, gradients: str = "exact", every: int = 1, head_weighting: bool = False
    ) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=head_weighting)
        self._check_range(reg_eps=(reg_eps, 0, 1))
        self.reg_eps = reg_eps

    def _make(self, torchjd: Any) -> Any:
        from torchjd.linalg import QuadprogProjector

        projector = QuadprogProjector(norm_eps=1e-12, reg_eps=self.reg_eps)
        return getattr(torchjd, self.weighting)(projector=projector)
