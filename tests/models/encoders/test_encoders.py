"""What every encoder with a name holds to, and what each of them computes."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch

from polytask import MultiTaskModel, Task
from polytask.data import Schema, SparseRows
from polytask.data.features import MoleculeColumn, NumericColumn
from polytask.data.molecules import WIDTH
from polytask.models.encoders import encoder_named
from polytask.models.encoders.ft_transformer import Block
from polytask.models.encoders.resnet import ResidualBlock
from polytask.models.sharing import SHARING

DRAW = np.random.default_rng(0)
ROWS = 60
COLUMNS = {
    "size": DRAW.normal(size=ROWS),
    "age": pa.array([None if row % 7 == 0 else float(row) for row in range(ROWS)]),
    "flag": [row % 2 for row in range(ROWS)],
    "colour": [["red", "green", "blue"][row % 3] for row in range(ROWS)],
    "place": [["here", "there"][row % 2] for row in range(ROWS)],
    "note": [f"row {row} has a long text of its own, number {row * row} in all" for row in range(ROWS)],
}
TASKS = (Task("click"), Task("price", kind="regression"), Task("topic", kind="multiclass", classes=("x", "y", "z")))
LABELS = {
    "click": [row % 2 for row in range(ROWS)],
    "price": DRAW.normal(size=ROWS),
    "topic": [["x", "y", "z"][row % 3] for row in range(ROWS)],
}
SPECS = [
    "mlp",
    {"name": "mlp", "numbers": "piecewise"},
    {"name": "mlp", "numbers": "periodic"},
    {"name": "resnet", "width": 16, "hidden": 8},
    {"name": "ft_transformer", "width": 16, "heads": 4},
    {"name": "ft_transformer", "width": 16, "heads": 4, "numbers": "piecewise"},
    {"name": "tabm", "members": 3, "width": 8},
    {"name": "tabm", "members": 3, "width": 8, "numbers": {"name": "periodic", "width": 4}},
]
named = pytest.mark.parametrize("spec", SPECS, ids=str)


def made(spec, columns=tuple(COLUMNS), seed=0):
    """An encoder and the inputs of a table with some of the columns."""
    encoder = encoder_named(spec)
    table = pa.table({name: COLUMNS[name] for name in columns} | LABELS)
    schema = Schema.fit(table, TASKS, **encoder.schema_options())
    torch.manual_seed(seed)
    return encoder.build(schema), schema.encode_inputs(table), schema


@named
def test_every_parameter_trains(spec):
    module, inputs, _ = made(spec)
    output = module(inputs)
    assert output.shape == (ROWS, module.out_features if hasattr(module, "out_features") else output.shape[1])
    output.square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@named
def test_a_row_does_not_see_the_others(spec):
    module, inputs, _ = made(spec)
    module.eval()
    order = torch.tensor([5, 0, 31])
    torch.testing.assert_close(module({name: part[order] for name, part in inputs.items()}), module(inputs)[order])


@named
@pytest.mark.parametrize("columns", [("size",), ("age", "flag"), ("colour",), ("note",), ("size", "note")], ids=str)
def test_tables_with_some_kinds_of_columns_only(spec, columns):
    module, inputs, _ = made(spec, columns)
    assert module(inputs).isfinite().all()


@named
def test_counts_of_molecules_are_read_where_there_is_no_text(spec):
    parts = (NumericColumn("tpsa", 0.0, 1.0, False, (-1.0, 0.0, 1.0), -1.0, 1.0),)
    module = encoder_named(spec).build(Schema(TASKS, molecules=(MoleculeColumn("smiles", parts),))).eval()
    counts = SparseRows(torch.tensor([0, 1, 2]), torch.tensor([3, 4]), torch.ones(2), WIDTH)
    one, other = module({"numeric": torch.zeros(2, 1), "text": counts})
    assert not torch.allclose(one, other)


@named
def test_stored_schema_and_weights_give_the_same_encoder(spec):
    module, inputs, schema = made(spec)
    again = encoder_named(spec).build(Schema.from_dict(json.loads(json.dumps(schema.to_dict()))))
    again.load_state_dict(module.state_dict())
    torch.testing.assert_close(again.eval()(inputs), module.eval()(inputs), rtol=0, atol=0)


@named
def test_ways_of_sharing_that_it_offers(spec):
    for sharing in encoder_named(spec).ways_of_sharing() or SHARING:  # none named: all
        module, inputs, schema = made(spec)
        outputs = MultiTaskModel(module, schema.tasks, sharing=sharing).eval()(inputs)
        assert {name: tuple(value.shape[1:]) for name, value in outputs.items()} == {
            "click": (), "price": (), "topic": (3,)
        }  # fmt: skip


def test_missing_numbers_and_text_are_seen():
    for spec in SPECS:
        module, inputs, _ = made(spec)
        module.eval()
        before = module(inputs)
        indicator = inputs["numeric"].clone()
        indicator[:, -1] = 1 - indicator[:, -1]
        text = inputs["text"]
        doubled = SparseRows(text.offsets, text.indices, 2 * text.values, text.width)
        for changed in ({"numeric": indicator}, {"text": doubled}):
            assert not torch.allclose(module(inputs | changed), before, atol=1e-6), (spec, list(changed))


def test_a_residual_block_without_weights_is_the_identity():
    block = ResidualBlock(4, 8, 0.0)
    torch.nn.init.zeros_(block.inner[-1].weight)
    torch.nn.init.zeros_(block.inner[-1].bias)
    x = torch.randn(3, 4)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("last", [False, True])
def test_a_block_of_the_transformer_is_attention_written_out(last):
    torch.manual_seed(0)
    block, tokens = Block(8, 2, 0.0, 0.0, first=False, last=last), torch.randn(3, 5, 8)
    read = block.before(tokens)
    keys, values = block.key_value(read).split(8, 2)
    mixed = []
    for head in (slice(0, 4), slice(4, 8)):
        weights = (block.query(read)[..., head] @ keys[..., head].transpose(1, 2) / 2).softmax(2)
        mixed.append(weights @ values[..., head])
    hidden = tokens + block.mix(torch.cat(mixed, 2))
    inner, gates = block.gated(block.norm(hidden)).chunk(2, 2)
    expected = hidden + block.out(inner * gates.relu())
    torch.testing.assert_close(block(tokens), expected[:, :1] if last else expected)


def test_members_of_tabm_differ_and_each_is_a_network_of_its_own():
    module, inputs, schema = made({"name": "tabm", "members": 3, "width": 8})
    model = MultiTaskModel(module.eval(), schema.tasks)
    before = module(inputs).unflatten(1, (3, 8))
    assert not torch.allclose(before[:, 0], before[:, 1])
    outputs = model.grouped(inputs)  # of the members, in training mode
    (wide,) = (out for out in outputs if out.ndim == 4)
    gradient = torch.autograd.grad(
        wide[1].sum(), [layer.s for layer in module.backbone.modules() if hasattr(layer, "s")]
    )
    for found in gradient:
        assert found[1].any()
        assert not found[[0, 2]].any()
