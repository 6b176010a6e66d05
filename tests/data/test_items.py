"""Inputs that a collate function makes: indexed like tensors, made into a batch at the encoder."""

from __future__ import annotations

from typing import Any

import torch

from polytask.data import Items, opened
from polytask.data.rows import count_rows, map_inputs


def _padded(words: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    return {"words": torch.nn.utils.rnn.pad_sequence(words, batch_first=True), "n": torch.tensor(list(map(len, words)))}


WORDS = [torch.arange(1, 2 + row) for row in range(6)]


def test_rows_of_rows_are_collated_in_their_order() -> None:
    items = Items(WORDS, _padded)
    part = items[torch.tensor([5, 0, 3])][1:]
    assert count_rows(part) == 2
    assert opened(part)["words"].tolist() == [[1, 0, 0, 0], [1, 2, 3, 4]]
    assert opened(torch.ones(2)).shape == (2,)


def test_a_batch_is_no_larger_than_its_items() -> None:
    assert opened(Items(WORDS, _padded)[:2])["words"].shape == (2, 2)
    assert Items(WORDS, _padded).shape == (6, 1)


def test_it_is_a_leaf_of_inputs_that_goes_to_a_device() -> None:
    moved = map_inputs({"text": Items(WORDS, _padded)}, lambda leaf: leaf.to("meta"))["text"]
    assert opened(moved)["words"].device.type == "meta"


def test_what_knows_no_device_stays_as_it_is() -> None:
    class Graph:
        pass

    graphs: list[Any] = [Graph()]
    assert Items(graphs, lambda some: (some, ["name"])).to("meta").collated() == ((graphs[0],), ("name",))


def test_fingerprint_is_that_of_the_rows() -> None:
    items = Items(WORDS, _padded)
    same = Items([word.clone() for word in WORDS], _padded)
    assert items.fingerprint == same.fingerprint
    assert items[:3].fingerprint != items.fingerprint
    assert items[torch.tensor([1, 0])].fingerprint != items[:2].fingerprint


def test_one_input_among_several_is_collated_and_rows_are_joined() -> None:
    items = Items(WORDS, _padded)
    batch = opened({"x": torch.ones(2), "words": items[:2]})
    assert batch["x"].shape == (2,) and batch["words"]["n"].tolist() == [1, 2]
    assert opened(Items.cat([items[4:], items[torch.tensor([0])]]))["n"].tolist() == [5, 6, 1]
