"""The set-ups that are one table with many targets: Tox21 and Census-Income, through the library's own table path."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.csv
import torch

import polytask as pt
from datasets.census_income import convert, read_raw
from datasets.mulan import TARGETS, ordered_split, read_arff
from polytask.config import make_config
from polytask.data.sparse import SparseRows
from polytask.models.encoders import MLP
from polytask.runs.encoders import make_network
from polytask.runs.preparation.prepare import prepare

from .setup import Data, Setup

TOX21 = (
    "NR-AR", "NR-AR-LBD", "NR-AhR", "NR-Aromatase", "NR-ER", "NR-ER-LBD",
    "NR-PPAR-gamma", "SR-ARE", "SR-ATAD5", "SR-HSE", "SR-MMP", "SR-p53",
)  # fmt: skip
CENSUS_ROWS = 20_000
FOLDED = 1024


def load_tox21(folder: Path, cache: Path, seed: int) -> Data:
    """12 binary tasks on hashed n-grams of a molecule's formula; random stratified split 70/15/15 per seed.

    The 4,096 hashed places are folded to 1,024 and held as numbers: on one core a step takes half the time.
    """
    return folded_text(prepared_table({"data": str(folder / "tox21" / "tox21.csv"), "targets": TOX21, "seed": seed}))


def folded_text(data: Data) -> Data:
    """Hashed text folded to 1,024 places, and a network for it."""
    rows = {part: replace(rows, inputs={"numeric": _folded(rows.inputs["text"])}) for part, rows in data.rows.items()}

    def network(tasks: tuple[pt.Task, ...], seed: int, dropout: float) -> pt.MultiTaskModel:
        torch.manual_seed(seed)
        return pt.MultiTaskModel(pt.TableEncoder(numeric=FOLDED, hidden=(128, 64), dropout=dropout), tasks)

    return Data(data.tasks, rows, network)


def _folded(text: SparseRows) -> torch.Tensor:
    """``[n, FOLDED]``; rows are as long as standardised inputs of that width."""
    return FOLDED**0.5 * SparseRows(text.offsets, text.indices % FOLDED, text.values, FOLDED).dense()


def load_census(folder: Path, cache: Path, seed: int) -> Data:
    """3 binary tasks and weeks worked; 20,000 training rows per seed, fixed validation and test rows."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "census.csv"
        pyarrow.csv.write_csv(convert(read_raw(folder / "census_income")), path)
        targets = ("income", "never_married", "college", "weeks_worked")
        data = prepared_table({"data": str(path), "targets": targets, "split": "split", "seed": seed})
    chosen = torch.randperm(len(data.rows["train"]), generator=torch.Generator().manual_seed(seed))[:CENSUS_ROWS]
    return Data(data.tasks, {**data.rows, "train": data.rows["train"].subset(chosen)}, data.network)


def load_scm20d(folder: Path, cache: Path, seed: int) -> Data:
    """16 prices; rows follow each other in time, so the split is in their order and the seed draws training rows."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "scm20d.csv"
        table = read_arff(folder / "mtr" / "scm20d.arff")
        targets = tuple(table.column_names[-TARGETS["scm20d"] :])
        parts = pyarrow.array(ordered_split(table.num_rows, [0.7, 0.15, 0.15]))
        pyarrow.csv.write_csv(table.append_column("split", parts), path)
        data = prepared_table({"data": str(path), "targets": targets, "split": "split", "seed": seed})
    rows = data.rows["train"]
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[: round(0.8 * len(rows))]
    return Data(data.tasks, {**data.rows, "train": rows.subset(chosen)}, data.network)


def prepared_table(values: dict[str, Any]) -> Data:
    """A table as `polytask fit` prepares it, and a network of its default shape."""
    prepared = prepare(make_config(values))

    def network(tasks: tuple[pt.Task, ...], seed: int, dropout: float) -> pt.MultiTaskModel:
        return make_network(prepared.schema, tasks, MLP(dropout=dropout), None, seed)

    return Data(prepared.tasks, prepared.rows, network)


SETUPS = (
    Setup("tox21", load_tox21, 600, 256, 15, (5e-4, 1e-3, 3e-3)),
    Setup("scm20d", load_scm20d, 800, 256, 20, (5e-4, 1e-3, 3e-3), seeds=5),
    Setup("census", load_census, 600, 256, 15, (1e-3, 3e-3), seeds=3),
)
