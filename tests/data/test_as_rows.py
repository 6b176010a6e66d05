"""One set of labelled rows in every form in which people have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

import polytask as pt
from polytask.data import Rows, as_rows

N = 70
X = torch.randn(N, 3, generator=torch.Generator().manual_seed(0))
CLICK = (X[:, 0] > 0).float()
PRICE = torch.where(X[:, 1] > 1, torch.nan, X.sum(1))
TASKS = [pt.Task("click", classes=("no", "yes")), pt.Task("price", kind="regression", center=1.0, scale=2.0)]
LABELS = {"click": CLICK, "price": PRICE}
EXPECTED = Rows.from_labels(X, LABELS, TASKS)
COLUMNS = {f"x{i}": X[:, i].double().numpy() for i in range(3)} | {name: y.numpy() for name, y in LABELS.items()}


class Mappings(Dataset[Any]):
    """Items as Hugging Face's trainer has them."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"x": X[row], "ids": row, "click": float(CLICK[row]), "price": float(PRICE[row])}


class Stream(IterableDataset[Any]):
    """Items one after the other, in any order."""

    def __init__(self, order: Any = range(N)) -> None:
        self.order = order

    def __iter__(self) -> Iterator[Any]:
        return iter([Mappings()[int(row)] for row in self.order])


class Batches(IterableDataset[Any]):
    """Whole batches."""

    def __iter__(self) -> Iterator[Any]:
        return iter([(X[at], {"click": CLICK[at], "price": PRICE[at]}) for at in torch.arange(N).split(16)])


def frame() -> Any:
    return pytest.importorskip("pandas", reason="pandas is not installed").DataFrame(COLUMNS)


def loader(data: Any, **options: Any) -> DataLoader[Any]:
    return DataLoader(data, batch_size=16, **options)


SHUFFLED = torch.randperm(N, generator=torch.Generator().manual_seed(1))
FORMS: dict[str, Callable[[], Any]] = {
    "rows": lambda: EXPECTED,
    "tensors": lambda: (X, LABELS),
    "numpy in double precision": lambda: (X.double().numpy(), {name: y.double().numpy() for name, y in LABELS.items()}),
    "matrix of labels": lambda: (X.numpy(), torch.stack([CLICK, PRICE], 1).numpy()),
    "lists of labels": lambda: (X, {name: y.tolist() for name, y in LABELS.items()}),
    "mapping of columns": lambda: {"x": X, **LABELS},
    "mapping of columns with ids": lambda: {"x": X[SHUFFLED], "ids": SHUFFLED,
                                            **{name: y[SHUFFLED] for name, y in LABELS.items()}},
    "pandas": frame,
    "pandas with another index": lambda: frame().set_axis(range(N, 2 * N)),
    "pandas of inputs and of labels": lambda: (frame()[["x0", "x1", "x2"]], frame()[["click", "price"]]),
    "pandas columns": lambda: (X, {"click": frame()["click"], "price": frame()["price"]}),
    "arrow": lambda: pa.table(COLUMNS),
    "words and empty cells": lambda: (X, pa.table({
        "click": ["yes" if label else "no" for label in CLICK],
        "price": pa.array(PRICE.double().numpy(), from_pandas=True)})),
    "items": lambda: [(X[row], {"click": CLICK[row], "price": PRICE[row]}) for row in range(N)],
    "data set of a label per task": lambda: TensorDataset(X, CLICK, PRICE),
    "data set with ids": lambda: TensorDataset(X[SHUFFLED], CLICK[SHUFFLED], PRICE[SHUFFLED], SHUFFLED),
    "data set of a vector of labels": lambda: TensorDataset(X, torch.stack([CLICK, PRICE], 1)),
    "data set of mappings": Mappings,
    "subset": lambda: Subset(TensorDataset(X, CLICK, PRICE), range(N)),
    "stream": Stream,
    "loader": lambda: loader(TensorDataset(X, CLICK, PRICE)),
    "loader that shuffles and drops": lambda: loader(TensorDataset(X, CLICK, PRICE), shuffle=True, drop_last=True),
    "loader of a subset": lambda: loader(TensorDataset(X, CLICK, PRICE), sampler=SubsetRandomSampler(range(N))),
    "loader of a stream with ids": lambda: loader(Stream(SHUFFLED)),
    "loader of whole batches": lambda: DataLoader(Batches(), batch_size=None),
    "collate function": lambda: loader(TensorDataset(X, CLICK, PRICE), collate_fn=lambda items: (
        torch.stack([x for x, _, _ in items]), {"click": torch.stack([a for _, a, _ in items]),
                                                "price": torch.stack([b for *_, b in items])})),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(form: str) -> None:
    rows = as_rows(FORMS[form](), TASKS, "train")
    batch, expected = rows[torch.arange(N)], EXPECTED[torch.arange(N)]
    inputs = batch.inputs.collated() if form == "collate function" else batch.inputs
    torch.testing.assert_close(inputs, expected.inputs)
    torch.testing.assert_close(batch.targets, expected.targets)
    assert torch.equal(batch.observed, expected.observed)


def test_several_inputs_stay_separate_and_one_is_given_as_it_is() -> None:
    both = as_rows({"a": X, "b": X.double().numpy(), **LABELS}, TASKS)
    assert set(both.inputs) == {"a", "b"} and both.inputs["b"].dtype == torch.float32
    assert isinstance(as_rows({"a": X, **LABELS}, TASKS).inputs, torch.Tensor)


def test_default_double_precision_is_kept() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert as_rows((X.double().numpy(), LABELS), TASKS).inputs.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_task_of_its_own_may_have_a_bare_label() -> None:
    rows = as_rows(TensorDataset(X, CLICK), TASKS[:1])
    assert torch.equal(rows.targets[:, 0], CLICK)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "something else": (lambda: 3, "expected .inputs, .task: labels.*found int"),
    "bare array": (lambda: X, "found Tensor"),
    "generator": (lambda: (batch for batch in [1]), "found generator"),
    "no task among the columns": (lambda: {"x": X, "clicks": CLICK}, "no column is named as a task"),
    "labels only": (lambda: dict(LABELS), "only labels"),
    "unknown task": (lambda: (X, {"clik": CLICK}), "did you mean 'click'"),
    "too few columns of labels": (lambda: (X, CLICK), r"a column per task, found \[70\]"),
    "words among the inputs": (lambda: pa.table({**COLUMNS, "colour": ["red"] * N}), "column 'colour' holds string"),
    "empty cells of inputs": (lambda: pa.table({**COLUMNS, "age": [None, 1.0] * 35}), "'age' has 35 empty cells"),
    "unknown words": (lambda: (X, {"click": ["maybe"] * N}), "'maybe'.*is not one of its classes"),
    "words of a regression": (lambda: (X, {"price": ["much"] * N}), "expected numbers, found text"),
    "no items": (lambda: [], "no rows"),
    "items of too many parts": (lambda: [(X[0], 1, 2, 3, 4, 5)], "found 6 parts"),
    "items of different shapes": (lambda: [(X[0], 1.0, 1.0), (X[0, :2], 1.0, 1.0)], "collate function"),
    "repeated ids": (lambda: {"x": X, "ids": torch.zeros(N, dtype=torch.long), **LABELS}, "ids repeat, 69 of 70"),
    "weighted sampler": (lambda: loader(TensorDataset(X, CLICK, PRICE), sampler=WeightedRandomSampler([1.0] * N, N)),
                         "WeightedRandomSampler"),
    "batch sampler": (lambda: DataLoader(TensorDataset(X, CLICK, PRICE), batch_sampler=type("Buckets", (BatchSampler,),
                      {})(SequentialSampler(X), 4, False)), "Buckets"),  # type: ignore[arg-type]
    "single items without a batch size": (lambda: DataLoader(TensorDataset(X, CLICK, PRICE), batch_size=None),
                                          "give the loader a batch size"),
    "sparse": (lambda: (X.to_sparse(), LABELS), "dense tensor"),
    "objects": (lambda: ({"graphs": object()}, LABELS), "DataLoader with a collate function"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_states_why(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(pt.UserError, match=message):
        as_rows(make(), TASKS, "train")
