"""A column of paths of images through the commands."""

from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image
from starlette.testclient import TestClient

from polytask.data import read_table
from polytask.pretrained import images
from polytask.runs.bundle import Bundle
from polytask.serving import make_application
from small_encoder import image_encoder
from small_table import assert_refused, polytask

SMALL = ("--steps", "40", "--batch-size", "32", "--networks", 1, "--no-baselines", "--converge", "off",
         "--learning-rate", 0.01, "--set", "threads=1", "--set", "evaluate_every=4")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Light and dark images, red or blue; the amount says how bright, beside a number of its own."""
    folder, draw, rows = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0), []
    (folder / "files").mkdir()
    for number in range(120):
        bright, red = draw.random(), draw.random() < 0.5
        pixels = np.zeros((10, 10, 3))
        pixels[..., 0 if red else 2] = 55 + 200 * bright
        name = f"files/{number}.png"
        Image.fromarray((pixels + draw.integers(0, 20, pixels.shape)).clip(0, 255).astype(np.uint8)).save(folder / name)
        rows.append([name, round(float(draw.normal()), 3), "red" if red else "blue", round(float(bright), 3)])
    with (folder / "table.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["file", "x", "colour", "bright"], *rows])
    image_encoder(folder / "vit")
    image_encoder(folder / "convnext", "convnext", 32)
    return folder


@pytest.mark.parametrize("encoder", ["hf:{}/vit", "{{name: hf, source: {}/convnext, tune: full, rate: 1.0}}"])
def test_a_column_of_paths_is_found_learnt_and_predicted(folder, tmp_path, encoder):
    run, table = tmp_path / "run", folder / "table.csv"
    result = polytask("fit", table, "--targets", "colour,bright", "--out", run, *SMALL,
                      "--set", f"encoder={encoder.format(folder)}")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "reads file" in result.output and "numbers (1; standardised): x" in result.output
    tasks = json.loads((run / "results.json").read_text())["tasks"]
    assert tasks["colour"]["test"] > 0.9 and tasks["bright"]["test"] > 0.3
    assert polytask("predict", run, table, "--out", tmp_path / "p.csv").exit_code == 0
    assert json.loads(polytask("evaluate", run, table, "--json").stdout)["tasks"]["colour"]["value"] > 0.9
    assert Bundle.load(run).encoded.reader.size == (16 if "vit" in encoder else 32)


def test_images_that_do_not_fit_into_memory_are_read_while_training(folder, tmp_path, monkeypatch):
    spec = f"{{name: hf, source: {folder / 'vit'}, tune: full, rate: 1.0}}"
    given = ("--targets", "colour,bright", *SMALL, "--set", f"encoder={spec}")
    assert polytask("fit", folder / "table.csv", "--out", tmp_path / "held", *given).exit_code == 0
    monkeypatch.setattr(images, "MEMORY_SHARE", 1e-12)
    result = polytask("fit", folder / "table.csv", "--out", tmp_path / "read", *given)
    assert result.exit_code == 0 and "0.1 MiB are read while training" in result.output, result.output
    held, read = (json.loads((tmp_path / name / "results.json").read_text())["tasks"] for name in ("held", "read"))
    assert read == held
    for name in ("held", "read"):
        assert (
            polytask("predict", tmp_path / name, folder / "table.csv", "--out", tmp_path / f"{name}.csv").exit_code == 0
        )
    assert (tmp_path / "held.csv").read_bytes() == (tmp_path / "read.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "format"), [("vit", "torch"), ("convnext", "onnx")])
def test_an_exported_file_takes_images(folder, tmp_path, encoder, format):
    run, out = tmp_path / "run", tmp_path / "model"
    spec = f"{{name: hf, source: {folder / encoder}, tune: {'full' if format == 'onnx' else 'frozen'}}}"
    fitted = polytask("fit", folder / "table.csv", "--targets", "colour,bright", "--out", run, *SMALL, "--steps", "5",
                      "--set", f"encoder={spec}")  # fmt: skip
    assert fitted.exit_code == 0, fitted.output
    if format == "torch":
        result = polytask("export", run, "--format", format, "--out", out)
        assert "on 64 rows of table.csv" in result.output, result.output
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("table.csv", "gone.csv"))
    result = polytask("export", run, "--format", format, "--out", out)
    assert result.exit_code == 0 and "on 64 rows of random rows" in result.output, result.output


@pytest.mark.slow
@pytest.mark.parametrize(("tune", "format"), [("frozen", "onnx"), ("full", "torch")])
def test_networks_that_can_be_written_in_plain_operations_only(folder, tmp_path, tune, format):
    image_encoder(tmp_path / "swin", "swin", 32)
    spec = f"{{name: hf, source: {tmp_path / 'swin'}, tune: {tune}}}"
    fitted = polytask("fit", folder / "table.csv", "--targets", "colour,bright", "--out", tmp_path / "run", *SMALL,
                      "--steps", "5", "--set", f"encoder={spec}")  # fmt: skip
    assert fitted.exit_code == 0, fitted.output
    result = polytask("export", tmp_path / "run", "--format", format, "--out", tmp_path / "model")
    assert result.exit_code == 0 and "agrees with PyTorch on 64 rows of table.csv" in result.output, result.output


def test_a_table_of_images_need_not_be_streamed(folder, tmp_path):
    pyarrow.parquet.write_table(read_table(folder / "table.csv"), folder / "table.parquet")
    result = polytask("fit", folder / "table.parquet", "--targets", "colour", "--out", tmp_path / "run", *SMALL,
                      "--set", f"encoder=hf:{folder / 'vit'}", "--set", "stream=true")  # fmt: skip
    assert_refused(result, "images are read from their files", "leave stream out")


def test_missing_images_are_refused(folder, tmp_path):
    rows = (folder / "table.csv").read_text().replace("files/3.png", "files/gone.png")
    (folder / "gaps.csv").write_text(rows)
    given = ("--targets", "colour", "--out", tmp_path / "run", *SMALL, "--set", f"encoder=hf:{folder / 'vit'}")
    assert_refused(polytask("fit", folder / "gaps.csv", *given), "1 files are missing: files/gone.png (row 4)")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("tune", ["frozen", "full"])
def test_a_service_takes_images_in_the_request(folder, tmp_path, tune):
    run = tmp_path / "run"
    fitted = polytask("fit", folder / "table.csv", "--targets", "colour", "--out", run, *SMALL, "--steps", "5",
                      "--set", f"encoder={{name: hf, source: {folder / 'vit'}, tune: {tune}}}")  # fmt: skip
    assert fitted.exit_code == 0, fitted.output
    rows = read_table(folder / "table.csv").slice(0, 5).to_pylist()
    expected = Bundle.load(run).predict(read_table(folder / "table.csv").slice(0, 5), folder=folder).to_pylist()

    def sent(row: dict, **more: object) -> dict:
        image = base64.b64encode((folder / row["file"]).read_bytes()).decode()
        return {"file": image, "x": row["x"], "bright": row["bright"]} | more

    huge = io.BytesIO()
    Image.new("1", (1 << 13, 1 << 13)).save(huge, "png")
    with TestClient(make_application(run)) as client:
        answer = client.post("/predict", json={"rows": [*map(sent, rows), sent(rows[0], file=None)]})
        assert answer.status_code == 200, answer.text
        for found, row in zip(answer.json()["predictions"], expected, strict=False):
            assert found == {name: pytest.approx(value, abs=1e-5) for name, value in row.items()}
        for cell in (rows[0]["file"], "bm8gcGljdHVyZQ==", "....", base64.b64encode(huge.getvalue()).decode()):
            refused = client.post("/predict", json={"rows": [sent(rows[0]), sent(rows[1], file=cell)]})
            assert refused.status_code == 422, cell
            assert "base64" in refused.text or "no images, or damaged: bytes (row 2)" in refused.text
