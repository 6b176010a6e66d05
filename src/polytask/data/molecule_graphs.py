"""Molecules as graphs of atoms and bonds with the features of chemprop (extra ``chemprop``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .columns import Coded
from .items import Items
from .molecules import read_molecule

#: Key of the graphs among the inputs of a table.
GRAPHS = "graphs"
#: Graphs that are kept once they are made, about 10 kB each.
_KEPT = 1 << 15
#: Numbers that message passing takes for a character of SMILES: two directed bonds with some vectors each.
_NUMBERS = 1024


@dataclass(frozen=True)
class MoleculeGraphs(Items):
    """Molecules of some rows, whose graphs are made when a batch wants them. Made by :func:`molecule_graphs`."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and about the numbers that each of them takes in a network."""
        characters = sum(len(word or "") for row in self._taken() for word in row)
        return len(self), _NUMBERS * characters // max(1, len(self))


def molecule_graphs(columns: Sequence[Coded]) -> MoleculeGraphs:
    """The molecules of a table's rows.

    Args:
        columns: Cells of SMILES of every column of molecules.
    """
    words = [np.array([*column.words.to_pylist(), None], object)[column.index] for column in columns]  # -1 is the last
    return MoleculeGraphs(tuple(zip(*words, strict=True)), graph_batch)


def graph_widths() -> tuple[int, int]:
    """Features of an atom, and of a bond."""
    atom, bond = _featuriser().shape
    return int(atom), int(bond)


def graph_batch(rows: Sequence[Sequence[str | None]]) -> dict[str, Tensor]:
    """The graphs of some rows as one, in which every row has as many as there are columns of molecules.

    Args:
        rows: By row the SMILES of its molecules; what is missing or cannot be read is a graph without atoms.

    Returns:
        ``V`` ``[atoms, A]`` and ``E`` ``[2 * bonds, F]`` float32 features; ``edge_index`` ``[2, 2 * bonds]`` from and
        to which atom a directed bond leads; ``rev_edge_index`` ``[2 * bonds]`` its reverse; ``sizes`` ``[graphs]``
        atoms of each molecule.
    """
    # Where it is used, as it loads the compiler: a second of every other run.
    return torch.compiler.disable(_graph_batch)(rows)


def _graph_batch(rows: Sequence[Sequence[str | None]]) -> dict[str, Tensor]:
    from chemprop.data import BatchMolGraph

    graphs = [_graph(word) for row in rows for word in row]
    whole = BatchMolGraph([*graphs, _graph(None)])  # a batch of nothing has these shapes, too
    found = {name: getattr(whole, name) for name in ("V", "E", "edge_index", "rev_edge_index")}
    return found | {"sizes": torch.tensor([len(graph.V) for graph in graphs], dtype=torch.long)}


@lru_cache(_KEPT)
def _graph(smiles: str | None) -> Any:
    from chemprop.data.molgraph import MolGraph

    molecule = read_molecule(smiles) if smiles else None
    if molecule is None:
        atom, bond = graph_widths()
        none = np.empty(0, np.int64)
        return MolGraph(np.empty((0, atom), np.single), np.empty((0, bond), np.single), none.reshape(2, 0), none)
    found = _featuriser()(molecule)
    return found._replace(E=found.E.astype(np.single))


@lru_cache(1)
def _featuriser() -> Any:
    from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer

    return SimpleMoleculeMolGraphFeaturizer()
