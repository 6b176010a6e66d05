"""Texts through the commands: a task per word, per row and a number beside the text."""

from __future__ import annotations

import csv
import json
import runpy
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import torch
import yaml

from documents import ROOT
from polytask.deployment import deployed_inputs
from polytask.models import SHARING
from polytask.runs.bundle import Bundle
from small_encoder import text_encoder
from small_table import assert_refused, polytask

EXAMPLE = ROOT / "examples" / "exported_texts.py"
CITIES = ("boston", "denver", "dallas")
SMALL = ("--steps", "40", "--batch-size", "32", "--networks", 1, "--no-baselines", "--converge", "off",
         "--learning-rate", 0.01, "--set", "threads=1", "--set", "evaluate_every=4")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flights: cities and days are tags, in either order, and good or not is a class; x has a target of its own."""
    folder, draw = tmp_path_factory.mktemp("texts"), np.random.default_rng(0)
    rows = []
    for number in range(150):
        city, day = draw.choice(CITIES), draw.choice(("monday", "friday"))
        good, x = draw.random() < 0.5, round(float(draw.normal()), 3)
        order = draw.random() < 0.5
        ways = [f"from {city}", f"on {day}"] if order else [f"on {day}", f"from {city}"]
        tags = "O B-city O B-day" if order else "O B-day O B-city"
        rows.append([f"show me {'good' if good else 'bad'} flights {' '.join(ways)}",
                     "" if number % 9 == 0 else f"O O O O {tags}", "yes" if good else "no", x, 2 * x])  # fmt: skip
    with (folder / "table.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["sentence", "slots", "good", "x", "double"], *rows])
    text_encoder(folder / "bert")
    return folder


def fit(folder: Path, out: str, encoder: str, *options: object) -> Path:
    result = polytask("fit", folder / "table.csv", "--targets", "slots,good,double", "--kind", "slots=tags",
                      "--out", folder / out, *SMALL, "--set", f"encoder={encoder}",
                      "--set", "column_kind={sentence: text}", *options)  # fmt: skip
    assert result.exit_code == 0, result.output
    return folder / out


@pytest.fixture(scope="module")
def frozen(folder: Path) -> Path:
    return fit(folder, "frozen", f"hf:{folder / 'bert'}")


@pytest.fixture(scope="module")
def tuned(folder: Path) -> Path:
    return fit(folder, "tuned", f"{{name: hf, source: {folder / 'bert'}, tune: full, rate: 0.5, layer_decay: 0.9}}")


@pytest.mark.parametrize("kind", ["frozen", "tuned"])
def test_all_kinds_of_targets_are_learnt_from_one_table(kind, request):
    tasks = json.loads((request.getfixturevalue(kind) / "results.json").read_text())["tasks"]
    assert {name: task["metric"] for name, task in tasks.items()} == {
        "slots": "span_f1", "good": "roc_auc", "double": "r2"}  # fmt: skip
    assert tasks["slots"]["test"] > 0.6 and tasks["good"]["test"] > 0.8 and tasks["double"]["test"] > 0.3


@pytest.mark.parametrize("kind", ["frozen", "tuned"])
def test_a_run_predicts_and_evaluates_without_the_checkpoint(kind, request, folder, tmp_path):
    run, table = request.getfixturevalue(kind), folder / "table.csv"
    measured = json.loads(polytask("evaluate", run, table, "--json").stdout)["tasks"]
    (folder / "bert").rename(folder / "gone")
    try:
        assert polytask("predict", run, table, "--out", tmp_path / "p.csv").exit_code == 0
    finally:
        (folder / "gone").rename(folder / "bert")
    found, given = (pyarrow.csv.read_csv(path).to_pylist() for path in (tmp_path / "p.csv", table))
    right = sum(row["slots"] == true["slots"] for row, true in zip(found, given, strict=True) if true["slots"])
    assert all(len(row["slots"].split()) == len(true["sentence"].split())
               for row, true in zip(found, given, strict=True))  # fmt: skip
    assert measured["slots"]["labels"] == sum(bool(row["slots"]) for row in given)
    assert measured["slots"]["value"] > 0.6 and right > 30


def test_frozen_weights_are_kept_once_and_tuned_ones_with_the_network(frozen, tuned):
    assert (frozen / "encoder" / "model.safetensors").exists()
    assert not (tuned / "encoder" / "model.safetensors").exists()
    names = Bundle.load(tuned).networks[0].state_dict()
    assert any("body.network.embeddings" in name for name in names)
    assert not any("body" in name for name in Bundle.load(frozen).networks[0].state_dict())
    encoder = yaml.safe_load((tuned / "config.yaml").read_text())["model"]["encoder"]
    assert (encoder["tune"], encoder["layer_decay"]) == ("full", 0.9)


def test_one_row_is_predicted_as_among_others(tuned, folder):
    bundle = Bundle.load(tuned)
    table = pyarrow.csv.read_csv(folder / "table.csv").drop_columns(["slots", "good", "double"])
    whole, single = bundle.predict(table).to_pylist()[7], bundle.predict(table.slice(7, 1)).to_pylist()[0]
    assert whole["slots"] == single["slots"] and whole["double"] == pytest.approx(single["double"], abs=1e-4)


@pytest.mark.slow
def test_a_pair_of_columns_is_read_together(folder, tmp_path):
    draw, rows = np.random.default_rng(0), []
    for _ in range(120):
        first, second = draw.choice(CITIES, 2)
        rows.append([f"the cat is in {first}", f"it was in {second}", int(first == second)])
    with (folder / "pairs.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["one", "two", "same"], *rows])
    result = polytask("fit", folder / "pairs.csv", "--targets", "same", "--out", tmp_path / "run", *SMALL,
                      "--set", f"encoder=hf:{folder / 'bert'}",
                      "--set", "column_kind={one: text, two: text}")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "reads one, two" in result.output
    bundle, path = Bundle.load(tmp_path / "run"), tmp_path / "model.onnx"
    assert bundle.encoded.reader.columns == ("one", "two")
    assert polytask("export", tmp_path / "run", "--out", path).exit_code == 0
    one, two = ["the cat", "", "cat é"], ["a mat", "dog", ""]
    found = runpy.run_path(str(EXAMPLE))["Texts"](path)(one, two)["same"]
    expected = bundle.predict(pa.table({"one": one, "two": two}))
    assert found[:, 1] == pytest.approx(expected["same_p_1"].to_numpy(), abs=1e-5)


@pytest.mark.parametrize("sharing", [sharing for sharing in SHARING if sharing != "hard"])
def test_frozen_features_are_shared_in_every_way(folder, tmp_path, sharing):
    result = polytask("fit", folder / "table.csv", "--targets", "good,double", "--ignore", "slots", "--out",
                      tmp_path / "run", *SMALL, "--sharing", sharing, "--set", f"encoder=hf:{folder / 'bert'}",
                      "--set", "column_kind={sentence: text}")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert Bundle.load(tmp_path / "run").networks[0].sharing == sharing
    tasks = json.loads((tmp_path / "run" / "results.json").read_text())["tasks"]
    assert tasks["good"]["test"] > 0.7 and tasks["double"]["test"] > 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "encoder=mlp"), "give encoder: hf:FOLDER"),
        (("--set", "column_kind={}"), "of text (two: a pair), found none; state its kind"),
        (("--set", "column_kind={sentence: image}"), "images are read by a pretrained encoder of images"),
        (("--set", "encoder={name: hf, source: BERT, max_length: 100}"), "max_length 100 is more than"),
        (("--set", "encoder={name: hf, source: BERT, rate: 0.1}"), "only with tune: full"),
        (("--set", "encoder={name: hf, source: BERT, layers: 3}"), "hf has no option 'layers'"),
        (("--set", "encoder={name: hf, source: RUN/encoder, tune: full}"), "belongs to a run"),
        (
            ("--sharing", "mmoe", "--set", "encoder={name: hf, source: BERT, tune: full}"),
            "sharing 'mmoe' is not supported with encoder 'hf' and tune: full; use hard",
        ),
        (("--sharing", "mmoe"), "gives no features by item"),
    ],
)
def test_what_does_not_combine_is_reported(folder, tuned, tmp_path, options, message):
    places = {"BERT": str(folder / "bert"), "RUN": str(tuned)}
    for name, place in places.items():
        options = tuple(option.replace(name, place) for option in options)
    result = polytask("fit", folder / "table.csv", "--targets", "slots,good", "--kind", "slots=tags",
                      "--out", tmp_path / "run", *SMALL, "--set", f"encoder=hf:{folder / 'bert'}",
                      "--set", "column_kind={sentence: text}", *options)  # fmt: skip
    assert_refused(result, message)


def test_a_run_does_not_go_on_with_another_checkpoint(folder, tmp_path):
    out = fit(folder, "again", f"hf:{folder / 'bert'}")
    (out / "results.json").unlink()
    config = folder / "bert" / "config.json"
    kept = config.read_text()
    config.write_text(kept + "\n")
    try:
        result = polytask("fit", folder / "table.csv", "--targets", "slots,good,double", "--kind", "slots=tags",
                          "--out", out, *SMALL, "--set", f"encoder=hf:{folder / 'bert'}",
                          "--set", "column_kind={sentence: text}", "--resume")  # fmt: skip
    finally:
        config.write_text(kept)
    assert_refused(result, "has changed since the run")


def test_a_service_reads_texts(frozen):
    testclient = pytest.importorskip("starlette.testclient")
    from polytask.serving import make_application

    with testclient.TestClient(make_application(frozen)) as client:
        rows = [{"sentence": "show me good flights from boston on monday", "x": 1.0}, {"sentence": None, "x": None}]
        answer = client.post("/predict", json={"rows": rows})
        assert answer.status_code == 200, answer.text
        first, second = answer.json()["predictions"]
    assert len(first["slots"].split()) == 8 and second["slots"] == ""


SENTENCES = ["show me good flights from boston on monday", "", "bad é flights " * 30]


@pytest.mark.slow
def test_an_exported_file_predicts_from_texts_without_this_library(tuned, tmp_path):
    path = tmp_path / "model.onnx"
    result = polytask("export", tuned, "--out", path)
    assert result.exit_code == 0, result.output
    assert "agrees with PyTorch on 64 rows of table.csv" in result.output
    model = runpy.run_path(str(EXAMPLE))["Texts"](path)
    table = pa.table({"sentence": SENTENCES, "x": [1.0, None, -2.0]})
    expected = Bundle.load(tuned).predict(table)
    for rows in (3, 1):
        found = model(SENTENCES[:rows], numeric=table["x"].to_numpy()[:rows, None])
        for name in ("good_p_no", "good_p_yes"):
            column = model.about["outputs"]["good"]["classes"].index(name[7:])
            assert found["good"][:, column] == pytest.approx(expected[name].to_numpy()[:rows], abs=1e-5)
        assert found["double"] == pytest.approx(expected["double"].to_numpy()[:rows], abs=1e-4)
        classes = np.array(model.about["outputs"]["slots"]["classes"])
        tags = classes[found["slots"].argmax(-1)]
        read = [" ".join(row[: len(text.split())]) for row, text in zip(tags, SENTENCES, strict=False)]
        assert read == expected["slots"].to_pylist()[:rows]


@pytest.mark.slow
def test_chosen_tasks_of_a_frozen_encoder_as_a_torch_program(frozen, tmp_path):
    path, texts = tmp_path / "model.pt2", {"polytask.json": "", "tokenizer.json": ""}
    assert polytask("export", frozen, "--format", "torch", "--tasks", "good", "--out", path).exit_code == 0
    program = torch.export.load(path, extra_files=texts).module()
    bundle, table = Bundle.load(frozen), pa.table({"sentence": SENTENCES, "x": [1.0, None, -2.0]})
    found = program(**deployed_inputs(bundle, table))
    assert set(found) == {"good", "good_label"} and "vocab" in texts["tokenizer.json"]
    yes = json.loads(texts["polytask.json"])["outputs"]["good"]["classes"].index("yes")
    assert found["good"][:, yes].tolist() == pytest.approx(bundle.predict(table)["good_p_yes"].to_pylist(), abs=1e-5)
