"""Target columns whose cells are sets of labels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from inferred import infer_tasks
from polytask.data import check_split, encode_targets, encode_wide, label_columns
from polytask.errors import UserError
from polytask.task import Task
from polytask.task.kind import cells
from polytask.task.kinds.multilabel import labels_of

CELLS = ["a; b", "b", "", ";", None, "c;a"]
TASK = Task("tags", kind="multilabel", classes=("a", "b", "c"))


def table(cells=CELLS) -> pa.Table:
    return pa.table({"tags": cells, "x": list(range(len(cells)))})


def test_labels_are_found_on_request():
    (task,) = infer_tasks(table(), where="t.csv", targets=["tags"], kinds={"tags": "multilabel"})
    assert task == TASK and task.metric == "mean_roc_auc"


@pytest.mark.parametrize("cells", [CELLS, [["a", "b"], ["b"], None, [], None, ["c", "a"]]])
def test_cells_of_text_and_lists_are_the_same(cells):
    nan = torch.nan
    expected = [[1, 1, 0], [0, 1, 0], [nan] * 3, [0, 0, 0], [nan] * 3, [1, 0, 1]]
    torch.testing.assert_close(
        encode_wide(table(cells), [TASK])[0], torch.tensor(expected), equal_nan=True, check_dtype=False
    )
    known = encode_targets(table(cells), [TASK])[:, 0]
    torch.testing.assert_close(known, torch.tensor([0, 0, nan, 0, nan, 0]), equal_nan=True)


def test_a_null_in_a_list_is_no_label_and_keeps_the_others():
    table = pa.table({"tags": pa.array([["a", None], [None], ["b", "c"], None])})
    expected = [[1, 0, 0], [0, 0, 0], [0, 1, 1], [np.nan] * 3]
    np.testing.assert_array_equal(encode_wide(table, [TASK])[0].numpy(), expected)


def test_numbers_are_labels_too():
    found = encode_wide(pa.table({"tags": [1, 2, None]}), [Task("tags", kind="multilabel", classes=("1", "2"))])
    assert found[0][:2].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("labels", [[], ["a"], ["a", "b"]])
def test_a_cell_and_its_labels(labels):
    kept = torch.tensor([[name in labels for name in "abc"]])
    assert labels_of(cells(kept, ("a", "b", "c"))[0]) == labels


def test_an_unknown_label_is_named_with_its_row():
    with pytest.raises(UserError, match=r"target 'tags': 'd' in 'b;d' \(row 2\) is not one of its labels \(a, b, c\)"):
        encode_wide(table(["a", "b;d"]), [TASK])


def test_a_column_without_labels_is_refused():
    with pytest.raises(UserError, match="no row has a label"):
        infer_tasks(table(["", ";"]), where="t.csv", targets=["tags"], kinds={"tags": "multilabel"})


def test_every_label_is_a_column_for_strata_and_leaks():
    wide = encode_wide(table(), [TASK])
    columns, tasks = label_columns(torch.zeros(6, 2), {1: wide[0]}, [Task("click"), TASK])
    assert [task.name for task in tasks] == ["click", "tags: a", "tags: b", "tags: c"]
    assert columns.shape == (6, 4) and np.array_equal(columns[:, 1:], wide[0].numpy(), equal_nan=True)


def test_a_label_that_training_never_sees_is_a_warning():
    targets, wide = encode_targets(table(), [TASK]).numpy(), encode_wide(table(), [TASK])
    warnings = check_split(np.array([0, 1, 0, 1, 0, 2]), targets, [TASK], wide=wide)
    assert any("no training row of 'c'" in warning for warning in warnings)
    with pytest.raises(UserError, match="mean_roc_auc is not defined on the validation rows"):
        check_split(np.array([0, 1, 0, 2, 0, 0]), targets, [TASK], wide=wide)
