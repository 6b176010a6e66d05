"""The encoder of tables: numbers, categories and text in one first layer."""

import itertools

import pytest
import torch

from polytask import TableEncoder
from polytask.data import SparseRows

NUMBERS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
CODES = torch.tensor([[0, 4], [1, 5], [2, 5], [3, 6]])
TEXT = SparseRows(
    torch.tensor([0, 2, 2, 3, 6]), torch.tensor([1, 4, 0, 2, 3, 4]), torch.tensor([0.6, 0.8, 1.0, 0.1, -0.7, 0.7]), 5
)
PARTS = {
    "numeric": (NUMBERS, {"numeric": 3}),
    "categorical": (CODES, {"categories": 7, "categorical": 2}),
    "text": (TEXT, {"text": 5}),
}
COMBINATIONS = [names for size in (1, 2, 3) for names in itertools.combinations(PARTS, size)]


def make(names, **options):
    torch.manual_seed(0)
    sizes = {name: value for part in names for name, value in PARTS[part][1].items()}
    return TableEncoder(**sizes, hidden=(6, 4), embedding=2, **options), {name: PARTS[name][0] for name in names}


def rows_of(inputs, ids):
    return {name: part[ids] for name, part in inputs.items()}


@pytest.mark.parametrize("names", COMBINATIONS)
def test_every_combination_of_inputs_trains_all_parameters(names):
    encoder, inputs = make(names)
    output = encoder(inputs)
    assert output.shape == (4, 4)
    output.square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@pytest.mark.parametrize("names", COMBINATIONS)
def test_a_row_does_not_see_the_others(names):
    encoder, inputs = make(names)
    order = torch.tensor([2, 0, 3])
    torch.testing.assert_close(encoder(rows_of(inputs, order)), encoder(inputs)[order])


def test_the_first_layer_is_that_of_all_inputs_side_by_side():
    encoder, inputs = make(tuple(PARTS))
    first, second = encoder[0], encoder[2]
    embedded = first.embedding.weight[CODES].flatten(1)
    dense = torch.cat([NUMBERS, embedded, TEXT.dense()], 1)
    weight = torch.cat([first.dense.weight, first.text.weight.T], 1)
    hidden = torch.relu(dense @ weight.T + first.bias)
    expected = torch.relu(second(hidden))
    torch.testing.assert_close(encoder(inputs), expected)


def test_a_row_without_text_is_a_row_of_zeros():
    encoder, _ = make(("text",))
    empty = SparseRows(torch.tensor([0, 0]), torch.zeros(0, dtype=torch.long), torch.zeros(0), 5)
    torch.testing.assert_close(encoder({"text": empty}), torch.nn.Sequential(*list(encoder)[1:])(encoder[0].bias[None]))


def test_dropout_is_active_in_training_only():
    encoder, inputs = make(("numeric",), dropout=0.5)
    assert not torch.equal(encoder(inputs), encoder(inputs))
    encoder.eval()
    assert torch.equal(encoder(inputs), encoder(inputs))
