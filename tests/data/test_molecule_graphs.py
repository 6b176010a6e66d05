"""Molecules as graphs: known atoms and bonds, rows, and molecules that are none."""

from __future__ import annotations

from importlib.util import find_spec

import pyarrow as pa
import pytest
import torch

from polytask.data.columns import coded
from polytask.data.molecule_graphs import graph_batch, graph_widths, molecule_graphs
from polytask.data.rows import rows_at_once

needs_chemprop = pytest.mark.skipif(
    not all(map(find_spec, ("chemprop", "rdkit"))),
    reason="the extra 'chemprop' is not installed",
)


def test_rows_of_several_columns_wait_as_words() -> None:
    columns = [coded(pa.chunked_array([cells])) for cells in (["CCO", None, "C"], ["C", "CC", "C"])]
    found = molecule_graphs(columns)
    assert found.items == (("CCO", "C"), (None, "CC"), ("C", "C"))
    assert type(found).cat([found[2:], found[torch.tensor([0])]]).items == [("C", "C"), ("CCO", "C")]
    assert found.fingerprint != found[:2].fingerprint


def test_large_molecules_are_inferred_in_small_parts() -> None:
    small, large = (molecule_graphs([coded(pa.chunked_array([["C" * size] * 2]))]) for size in (2, 2000))
    assert rows_at_once(small) == 1024 and rows_at_once(large) == 2


@needs_chemprop
def test_known_graphs() -> None:
    found = graph_batch([("CCO",), (None,), ("C",), ("C1CC",)])
    atom, bond = graph_widths()
    assert found["sizes"].tolist() == [3, 0, 1, 0]
    assert found["V"].shape == (4, atom) and found["E"].shape == (4, bond)
    assert found["edge_index"].tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert found["rev_edge_index"].tolist() == [1, 0, 3, 2]
    carbon, oxygen = found["V"][0], found["V"][2]
    assert carbon[5] == 1 and oxygen[7] == 1  # atomic numbers 6 and 8
    assert all(value.shape[-1] in (0, atom, bond) for value in graph_batch([]).values())
