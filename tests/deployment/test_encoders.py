"""Exported networks of every encoder agree with PyTorch, for one row and for many."""

import pyarrow as pa
import pytest
import torch

from polytask import MultiTaskModel
from polytask.data import Schema, read_table
from polytask.deployment import DeployedModel, deployed_inputs
from polytask.deployment.export import TOLERANCE, largest_difference
from polytask.deployment.formats import FORMATS
from polytask.models.encoders import encoder_named
from polytask.models.sharing import SHARING
from polytask.runs.bundle import Bundle
from polytask.task import Task
from small_table import table_rows, write_table

TASKS = (
    Task("click"),
    Task("b", kind="regression"),
    Task("price", kind="regression"),
    Task("rank", kind="multiclass", classes=tuple("01234")),
)
SPECS = [
    {"name": "mlp", "numbers": "periodic"},
    {"name": "resnet", "width": 16, "hidden": 8},
    {"name": "ft_transformer", "width": 16, "heads": 4},
    {"name": "tabm", "members": 3, "width": 8, "numbers": "piecewise"},
]


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("format", FORMATS)
def test_an_exported_network_agrees_with_pytorch(tmp_path, spec, format):
    written_agrees(tmp_path, spec, format, TASKS)


@pytest.mark.parametrize("sharing", [sharing for sharing in SHARING if sharing != "hard"])
def test_every_way_of_sharing_is_written_for_one_row_too(sharing, tmp_path):
    written_agrees(tmp_path, "mlp", "torch", TASKS, sharing)


def written_agrees(tmp_path, spec, format, tasks, sharing="hard"):
    table: pa.Table = read_table(write_table(tmp_path / "table.csv", table_rows(40)), text=["colour", "note"])
    encoder = encoder_named(spec)
    schema = Schema.fit(table, tasks, ignore=["key", "size"], **encoder.schema_options())
    torch.manual_seed(0)
    network = MultiTaskModel(encoder.build(schema), schema.tasks, sharing=sharing)
    bundle, path = Bundle(schema, (network,), {task.name: (0,) for task in tasks}), tmp_path / "model"
    model = DeployedModel(bundle, [task.name for task in tasks]).eval()
    FORMATS[format].write(model, deployed_inputs(bundle, table), {"polytask.json": "{}"}, path)
    assert largest_difference(FORMATS[format].read(path), model, bundle, table, tmp_path) <= TOLERANCE
