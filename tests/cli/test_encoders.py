"""``--encoder``: from the option to a run that predicts, is evaluated and is taken up again."""

import json

import numpy as np
import pyarrow.parquet
import pytest
import yaml

from polytask.runs.bundle import Bundle
from small_table import TARGETS, assert_refused, fit, polytask, table_rows, write_table

SMALL = {"name": "tabm", "members": 3, "width": 8, "numbers": {"name": "piecewise", "bins": 8}}
OPTIONS = ("--networks", 1, "--no-baselines", "--set", f"encoder={json.dumps(SMALL)}")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tabm")
    data = write_table(folder / "table.csv", table_rows(150))
    result = fit(data, folder / "run", *OPTIONS)
    assert result.exit_code == 0, result.output
    return folder


def test_the_run_and_its_network_record_the_encoder(run):
    recorded = yaml.safe_load((run / "run" / "config.yaml").read_text())["model"]["encoder"]
    assert recorded == json.loads((run / "run" / "networks" / "0" / "network.json").read_text())["encoder"]
    assert (recorded["name"], recorded["members"], recorded["width"]) == ("tabm", 3, 8)
    assert recorded["numbers"] == {"name": "piecewise", "width": None, "bins": 8}
    assert recorded["dropout"] == 0.1


def test_bins_are_stored_with_the_transformation(run):
    columns = json.loads((run / "run" / "schema.json").read_text())["numeric"]
    assert all(2 <= len(column["edges"]) <= 9 for column in columns)


def test_it_predicts_and_is_evaluated_as_the_results_say(run):
    result = polytask("predict", run / "run", run / "table.csv", "--out", run / "predictions.parquet")
    assert result.exit_code == 0, result.output
    predictions = pyarrow.parquet.read_table(run / "predictions.parquet")
    assert set(TARGETS) <= set(predictions.column_names)
    shares = [predictions[f"click_p_{label}"].to_numpy() for label in ("no", "yes")]
    assert np.allclose(sum(shares), 1)
    assert Bundle.load(run / "run").networks[0].heads.members == 3
    values = polytask("evaluate", run / "run", run / "table.csv", "--json")
    assert values.exit_code == 0, values.output
    assert set(TARGETS) <= set(json.loads(values.stdout)["tasks"])


def test_a_finished_run_is_taken_up_with_the_name_or_the_whole_and_refused_with_another(run):
    again = fit(run / "table.csv", run / "run", *OPTIONS, "--resume")
    assert again.exit_code == 0, again.output
    other = fit(run / "table.csv", run / "run", "--networks", 1, "--no-baselines", "--encoder", "resnet", "--resume")
    assert_refused(other, "encoder", "began with")


def test_an_unknown_encoder_is_refused_with_the_nearest(tmp_path):
    data = write_table(tmp_path / "table.csv", table_rows(60))
    assert_refused(fit(data, tmp_path / "run", "--encoder", "tabn"), "'tabn' is not known", "'tabm'")
