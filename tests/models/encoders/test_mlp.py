"""Widths of the default encoder: by the number of training rows, and kept by a finished run."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from polytask.config import make_config
from polytask.models.encoders import mlp
from polytask.runs import fit_run
from polytask.runs.bundle import Bundle
from polytask.runs.encoders import network_of
from polytask.runs.preparation.prepare import prepare


def table(folder, rows):
    values = np.random.default_rng(0).normal(size=(rows, 3))
    path = folder / f"{rows}.parquet"
    pd.DataFrame(values, columns=["a", "b", "y"]).to_parquet(path)
    return {"data": str(path), "targets": ["y"], "split": (0.5, 0.25, 0.25)}


def layers(network):
    return [tuple(part.weight.shape) for part in network.modules() if isinstance(part, torch.nn.Linear)]


@pytest.mark.parametrize("rows, widths", [(9_998, (256, 128)), (10_000, (512, 256))])
def test_widths_follow_the_training_rows(rows, widths, tmp_path):
    for stream in (False, True):  # whose schema is that of a sample
        config = make_config(table(tmp_path, rows) | {"stream": stream})
        data = prepare(config)
        assert data.schema.rows == rows // 2
        assert layers(network_of(config, data.schema, data.tasks))[-2:] == [widths[::-1], (1, widths[1])]


def test_widths_that_are_given_hold(tmp_path):
    config = make_config(table(tmp_path, 10_000) | {"model": {"hidden": [16, 8]}})
    data = prepare(config)
    assert layers(network_of(config, data.schema, data.tasks))[-2:] == [(8, 16), (1, 8)]


def test_a_finished_run_keeps_its_widths(tmp_path, monkeypatch):
    monkeypatch.setattr(mlp, "MANY_ROWS", 100)
    fit_run(make_config(table(tmp_path, 400) | {"steps": 2, "preset": "fast"}), tmp_path / "run")
    stored = json.loads((tmp_path / "run" / "networks" / "0" / "network.json").read_text())
    assert stored["model"]["hidden"] == [512, 256]
    monkeypatch.setattr(mlp, "MANY_ROWS", 10**9)  # another version may choose otherwise
    (network,) = Bundle.load(tmp_path / "run").networks
    assert layers(network)[-2:] == [(256, 512), (1, 256)]
