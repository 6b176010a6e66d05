"""Message passing over the bonds of molecules, beside the other columns of a table."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from ..data.molecule_graphs import GRAPHS
from ..pretrained import dense_layers


class MoleculeEncoder(nn.Module):
    """A layer over vectors of molecules and the features of the other columns.

    Args:
        passing: Message passing of chemprop: from a batch of graphs to ``[atoms, D]``.
        pooling: Aggregation of chemprop: from these and the number of the graph of each atom to ``[graphs, D]``.
        columns: Columns of molecules, M; all pass through the same layers.
        beside: Encoder of the other columns, with an attribute ``out_features``.
        width: Of the layer.
        dropout: Share of its outputs dropped while training.

    Shapes:
        Takes what :meth:`polytask.data.Schema.encode_inputs` gives, with ``graphs`` as
        :func:`~polytask.data.molecule_graphs.graph_batch` makes them, and gives ``[B, width]``.
        A molecule without atoms has the vector 0.
    """

    def __init__(self, passing: Any, pooling: nn.Module, columns: int, beside: Any, width: int, dropout: float) -> None:
        super().__init__()
        self.passing, self.pooling, self.columns, self.beside = passing, pooling, columns, beside
        self.layer = nn.Sequential(*dense_layers((columns * passing.output_dim + beside.out_features, width), dropout))
        self.out_features = width

    def forward(self, inputs: Mapping[str, Any]) -> Tensor:
        vectors = self.vectors(inputs[GRAPHS])
        return self.layer(torch.cat([vectors.view(-1, self.columns * vectors.shape[1]), self.beside(inputs)], 1))

    def vectors(self, graphs: Mapping[str, Tensor]) -> Tensor:
        """``[graphs, D]``."""
        atoms, sizes = self.passing(SimpleNamespace(**graphs)), graphs["sizes"]
        owner = torch.repeat_interleave(sizes)
        # One more graph of one atom, as graphs are counted by the last one with atoms.
        atoms = torch.cat([atoms, atoms.new_zeros(1, atoms.shape[1])])
        return self.pooling(atoms, torch.cat([owner, owner.new_tensor([len(sizes)])]))[:-1]
