"""A tag for every word as a target."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from inferred import infer_tasks
from polytask import Task
from polytask.data import check_split, encode_targets, encode_wide, for_words
from polytask.errors import UserError
from polytask.task.kinds.tags import tags_of

SLOTS = Task("slots", kind="tags", classes=("B", "I", "O"))


def test_tags_are_read_from_words_and_from_lists():
    words = pa.table({"slots": ["O B I", None, "B"]})
    lists = pa.table({"slots": [["O", "B", "I"], None, ["B"]]})
    expected = torch.tensor([[2, 0, 1], [torch.nan] * 3, [0, torch.nan, torch.nan]])
    for table in (words, lists):
        torch.testing.assert_close(encode_wide(table, [SLOTS])[0], expected, equal_nan=True)
    assert encode_targets(words, [SLOTS]).isnan().flatten().tolist() == [False, True, False]


def test_classes_are_the_tags_in_sorted_order():
    table = pa.table({"slots": ["O B I", "O"], "kind": ["a", "b"]})
    (task,) = infer_tasks(table, where="t", targets=["slots"], kinds={"slots": "tags"})
    assert (task.kind, task.classes, task.metric) == ("tags", ("B", "I", "O"), "span_f1")


@pytest.mark.parametrize(("cells", "said"), [(["O", "O"], "every tag is 'O'"), (["", None], "no row has any")])
def test_nothing_to_learn_is_reported(cells, said):
    with pytest.raises(UserError, match=said):
        infer_tasks(pa.table({"s": pa.array(cells, pa.string())}), where="t", targets=["s"], kinds={"s": "tags"})


def test_an_unknown_tag_is_named_with_its_row():
    with pytest.raises(UserError, match=r"target 'slots': 'X' in 'X O' \(row 2\)"):
        encode_wide(pa.table({"slots": ["O", "X O"]}), [SLOTS], where="t.csv")


def test_rows_with_another_number_of_tags_than_of_words_are_named():
    tags = encode_wide(pa.table({"slots": ["O B", "O", ""]}), [SLOTS])
    with pytest.raises(UserError, match=r"1 rows have different numbers of tags .* first row 2: 1 tags for 2 words"):
        for_words(tags, ["a b", "a b", "a b c"], [SLOTS])
    assert for_words(tags, ["a b", "a", "a b c"], [SLOTS])[0].shape == (3, 3)  # a row without tags may be the longest


def test_predictions_have_a_tag_for_every_word():
    assert tags_of(np.array([[2, 0, 1], [0, 0, 0]]), SLOTS.classes, ["to New York", ""]) == ["O B I", ""]


def test_a_split_is_checked_word_by_word():
    table = pa.table({"slots": ["O B", "B O", "O I"]})
    wide = encode_wide(table, [SLOTS])
    targets = encode_targets(table, [SLOTS]).numpy()
    (warning,) = check_split(np.array([0, 1, 2]), targets, [SLOTS], wide=wide)
    assert "no training row of 'I'" in warning
    with pytest.raises(UserError, match="no task has a label in the validation rows"):
        check_split(np.array([0, 0, 2]), targets, [SLOTS], wide=wide)
