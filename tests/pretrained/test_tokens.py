"""From texts to token numbers."""

from __future__ import annotations

import pyarrow as pa
import pytest

from polytask.pretrained import TextReader, open_checkpoint
from polytask.pretrained import tokens as module

TEXTS = ["the cat sat", None, "show me flights from boston to denver on monday", "xy"]


@pytest.fixture(scope="module")
def tokenizer(bert):
    return open_checkpoint(str(bert)).tokenizer(words=True)


def test_tokens_are_those_of_the_tokenizer(tokenizer):
    found = TextReader(("a",), 64)(pa.table({"a": TEXTS}), tokenizer)["tokens"]
    for row, text in zip(found.tolist(), TEXTS, strict=True):
        assert [token for token in row if token >= 0] == tokenizer(text or "")["input_ids"]


def test_a_pair_is_read_together_and_a_missing_second_sentence_leaves_the_first_alone(tokenizer):
    table = pa.table({"a": ["the cat", "the dog"], "b": ["a mat", ""]})
    found = TextReader(("a", "b"), 64)(table, tokenizer)
    assert found["tokens"][0].tolist() == tokenizer("the cat", "a mat")["input_ids"]
    assert [token for token in found["tokens"][1].tolist() if token >= 0] == tokenizer("the dog")["input_ids"]
    assert found["second"].sum(1).tolist() == [3, 0]  # two words and the separator


def test_words_are_found_by_their_first_piece_and_cut_ones_are_nowhere(tokenizer):
    found = TextReader(("a",), 6, words=True)(pa.table({"a": ["xy cat sat on", "cat"]}), tokenizer)
    # [CLS] x ##y cat sat [SEP]
    assert found["words"].tolist() == [[1, 3, 4, -1], [1, -1, -1, -1]]
    assert found["tokens"].shape == (2, 6)


def test_blocks_of_rows_give_the_same(tokenizer, monkeypatch):
    table = pa.table({"a": TEXTS})
    whole = TextReader(("a",), 64, words=True)(table, tokenizer)
    monkeypatch.setattr(module, "BLOCK", 3)
    parts = TextReader(("a",), 64, words=True)(table, tokenizer)
    assert all(whole[name].equal(parts[name]) for name in whole)
