"""Molecules written as SMILES: Morgan counts, descriptors and scaffolds by RDKit (extra ``molecules``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ..errors import UserError
from ..extras import require
from .columns import Coded
from .sparse import SparseRows

#: Properties as RDKit names them. Those that take longest (``chi2v`` and the like, ``Phi``) are left out.
DESCRIPTORS = (
    "amw", "labuteASA", "tpsa", "CrippenClogP", "CrippenMR", "NumHBD", "NumHBA", "NumRotatableBonds", "NumHeavyAtoms",
    "NumHeteroatoms", "NumAmideBonds", "FractionCSP3", "NumRings", "NumAromaticRings", "NumAliphaticRings",
    "NumSaturatedRings", "NumHeterocycles", "NumAtomStereoCenters", "hallKierAlpha", "kappa1", "chi0v", "chi1v",
)  # fmt: skip
#: Bonds around an atom that a Morgan count looks at, and the positions that counts are folded to.
RADIUS, WIDTH = 2, 2048
#: Share of a column's cells that may be no molecules; more are another kind of column.
MOST_INVALID = 0.5
#: Molecules that are kept once they are computed, about 1 kB each.
_KEPT = 1 << 17
#: Names of columns with molecules; others are looked at only if they look like SMILES beyond doubt.
_NAME = re.compile(r"(?i)(.*[ _.-])?(smiles?|mols?|molecules?|compounds?|structures?)([ _.-].*)?")
_SIGNS = re.compile(r"[A-Za-z0-9@+\-\[\]()=#$:/\\%.*~]+( \|.*\|)?")
_BONDS = re.compile(r"[()=#\[\]]|[a-z][0-9]|[A-Z][0-9]")
#: Distinct cells that are looked at, and their mean length where the name carries no information.
_SAMPLE, _LONG = 100, 8


def is_available() -> bool:
    """Whether RDKit is installed."""
    return find_spec("rdkit") is not None


def require_rdkit(needed_by: str) -> None:
    """Raise a ``UserError`` that names the extra if RDKit is not installed."""
    require("molecules", "rdkit", needed_by=needed_by)


def look_like_smiles(words: Coded, name: str) -> bool:
    """Whether a column looks like SMILES, by its name and by the signs in a sample of its cells; needs no RDKit.

    Example:
        >>> from polytask.data.columns import coded
        >>> cells = coded(pa.chunked_array([["CCO", "c1ccccc1", "CC(=O)O"]]))
        >>> look_like_smiles(cells, "smiles"), look_like_smiles(cells, "city")
        (True, False)
    """
    some = words.words[:_SAMPLE].to_pylist()
    if not some or not all(_SIGNS.fullmatch(word) for word in some):
        return False
    bonds = sum(_BONDS.search(word) is not None for word in some) / len(some)
    named = _NAME.fullmatch(name) is not None
    return bonds >= 0.5 and (named or sum(map(len, some)) / len(some) >= _LONG)


def are_molecules(words: Coded, name: str) -> bool:
    """Whether a column holds molecules: it looks like SMILES, and RDKit is installed and reads a sample of it.

    Of a column that is not named like one every molecule of the sample has to be readable.
    """
    if not look_like_smiles(words, name) or not is_available():
        return False
    read = [read_molecule(word) is not None for word in words.words[:_SAMPLE].to_pylist()]
    return all(read) or (_NAME.fullmatch(name) is not None and sum(read) > (1 - MOST_INVALID) * len(read))


def check_molecules(words: Coded, at: str) -> None:
    """Refuse a column most of whose cells are no molecules.

    Raises:
        UserError: If so; ``at`` names the column.
    """
    require_rdkit(f"{at}: molecules")
    bad = invalid(words.words)
    cells, wrong = int(words.counts().sum()), int(words.counts()[bad].sum())
    if wrong > MOST_INVALID * cells:
        raise UserError(f"{at}: expected molecules as SMILES, and RDKit cannot read {wrong:,} of {cells:,} cells, such "
                        f"as {words.example(bad)}; correct or empty them, or state another kind of the column "
                        "(column_kind)")  # fmt: skip


def invalid(words: pa.Array) -> np.ndarray:
    """``[words]`` bool, which RDKit cannot read."""
    return np.array([_described(word) is None for word in words.to_pylist()], bool)


def descriptors(words: pa.Array) -> np.ndarray:
    """``[words, len(DESCRIPTORS)]`` float64, NaN for what RDKit cannot read."""
    nothing = np.full(len(DESCRIPTORS), np.nan)
    rows = [nothing if (found := _described(word)) is None else found[0] for word in words.to_pylist()]
    return np.stack(rows) if rows else np.empty((0, len(DESCRIPTORS)))


def morgan_counts(words: pa.Array) -> SparseRows:
    """``[words, WIDTH]`` sparse ``log(1 + count)`` of atoms with their surroundings, rows of length 1.

    Args:
        words: ``[words]`` SMILES; what RDKit cannot read has no entries.

    Source:
        Rogers and Hahn, Extended-connectivity fingerprints, J. Chem. Inf. Model. 50 (2010).
    """
    empty = np.empty(0, np.uint16)
    pairs = [(empty, empty) if (found := _described(word)) is None else found[1:] for word in words.to_pylist()]
    lengths = np.array([0, *(len(places) for places, _ in pairs)], np.int64)
    indices = np.concatenate([empty, *(places for places, _ in pairs)])
    values = np.log1p(np.concatenate([empty, *(counts for _, counts in pairs)]).astype(np.float64))
    owner = np.repeat(np.arange(len(pairs)), lengths[1:])
    size = np.sqrt(np.bincount(owner, values**2, minlength=len(pairs)))
    values = (values / size[owner]).astype(np.float32)
    return SparseRows(
        torch.from_numpy(lengths.cumsum()), torch.from_numpy(indices.astype(np.int32)), torch.from_numpy(values), WIDTH
    )


def scaffolds(words: Coded) -> pa.ChunkedArray:
    """``[n]`` Murcko scaffolds: the rings of a molecule and what joins them; of molecules without a ring ``acyclic``.

    Null where there is no molecule.

    Source:
        Bemis and Murcko, The properties of known drugs 1, J. Med. Chem. 39 (1996).
    """
    found = pa.array([*(_scaffold(word) for word in words.words.to_pylist()), None], pa.string())
    return pa.chunked_array([found.take(pa.array(words.index % len(found)))])  # -1 becomes the added one


@lru_cache(_KEPT)
def _described(smiles: str) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Descriptors, positions and counts of a molecule; None if RDKit cannot read it."""
    molecule = read_molecule(smiles)
    if molecule is None:
        return None
    properties, morgan = _tools()
    values = np.array(properties.ComputeProperties(molecule), np.float64)
    values[~np.isfinite(values)] = np.nan
    counts = morgan.GetCountFingerprint(molecule).GetNonzeroElements()
    places = sorted(counts)
    return values, np.array(places, np.uint16), np.array([counts[place] for place in places], np.uint16)


@lru_cache(1)
def _tools() -> tuple[Any, Any]:
    from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

    morgan = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=WIDTH)
    return rdMolDescriptors.Properties(list(DESCRIPTORS)), morgan


def read_molecule(smiles: str) -> Any:
    """The molecule of RDKit; None if it cannot read it, or it has no atoms."""
    from rdkit import Chem

    with _quiet():
        molecule = Chem.MolFromSmiles(smiles)
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


@lru_cache(_KEPT)
def _scaffold(smiles: str) -> str | None:
    from rdkit.Chem.Scaffolds import MurckoScaffold

    molecule = read_molecule(smiles)
    return None if molecule is None else MurckoScaffold.MurckoScaffoldSmiles(mol=molecule) or "acyclic"


@contextmanager
def _quiet() -> Iterator[None]:
    """RDKit writes every molecule that it cannot read to the screen."""
    from rdkit import rdBase

    block = rdBase.BlockLogs()
    try:
        yield
    finally:
        del block
