"""A pretrained encoder of images on a folder of arrays: targets of rows and of places."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from polytask import Task, UserError
from polytask.config import make_config
from polytask.data.arrays import ArrayWriter
from polytask.runs.bundle import Bundle
from polytask.runs.preparation.prepare import prepare
from small_encoder import image_encoder, text_encoder
from small_table import assert_refused, polytask

TASKS = [Task("bright"), Task("level", "dense"), Task("light", "tags", classes=("dark", "light"),
                                                      metric="token_accuracy")]  # fmt: skip
NAMES = [task.name for task in TASKS]


def write(folder: Path, places: int = 4, shape: tuple[int, ...] = (3, 16, 16), dtype: type = np.uint8) -> Path:
    """Patches of 4 x 4 pixels that are dark or light; the targets by place are what is seen there."""
    draw = np.random.default_rng(0)
    lengths = {"level": places**2, "light": places**2}
    writer = ArrayWriter(folder, TASKS, {"train": 160, "validation": 32, "test": 32}, shape, dtype, lengths)
    for row in range(224):
        seen = draw.integers(0, 2, (places, places))
        pixels = np.kron(seen, np.ones((4, 4))) * 200 + draw.integers(0, 30, (4 * places, 4 * places))
        image = np.broadcast_to(pixels[: shape[1], : shape[2]], shape) if places == 4 else np.zeros(shape)
        writer.put(row, image.astype(dtype), {"bright": float(seen.mean() > 0.5), "level": seen, "light": seen})
    writer.close()
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arrays")
    write(folder / "pictures")
    image_encoder(folder / "vit")
    text_encoder(folder / "bert")
    return folder


def keys(folder: Path, encoder: object, data: str = "pictures", **more: object) -> dict:
    return {
        "data": str(folder / data),
        "targets": NAMES,
        "encoder": encoder,
        "networks": 1,
        "device": "cpu",
        "evaluate_every": 25,
    } | more


@pytest.mark.parametrize("tune", ["frozen", "full"])
def test_targets_of_rows_and_positions_are_learned(folder: Path, tmp_path: Path, tune: str) -> None:
    encoder = {"name": "hf", "source": str(folder / "vit"), "tune": tune} | ({"rate": 1.0} if tune == "full" else {})
    values = keys(folder, encoder, steps=250, batch_size=32, learning_rate=0.01, baselines=False, converge="off")
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(values | {"threads": 1}))
    done = polytask("fit", config, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "vit" in done.output and "reads images" in done.output
    found = json.loads((tmp_path / "run" / "results.json").read_text())
    tasks = found["tasks"]
    assert tasks["bright"]["test"] > 0.75 and tasks["light"]["test"] > 0.8
    assert tasks["level"]["test"] < 0.5 * found["totals"]["trivial"]["level"]

    bundle, data = Bundle.load(tmp_path / "run"), prepare(make_config(values))
    values = bundle.evaluate(data.rows["test"], NAMES)
    assert values == {name: pytest.approx(tasks[name]["test"], abs=1e-6) for name in NAMES}
    images = prepare(make_config(keys(folder, encoder | {"tune": "full"}))).rows["test"].inputs
    assert images.shape == (32, 3, 16, 16)  # mapped, as they are
    outputs = bundle.outputs(bundle.encoded.of_images(images), 32)
    assert outputs["light"].shape == (32, 16, 2) and outputs["level"].shape == (32, 16)
    assert_refused(polytask("serve", tmp_path / "run"), "a folder of arrays")


@pytest.mark.parametrize(
    ("encoder", "data", "said"),
    [
        ("bert", {}, "reads texts, and .* is a folder of arrays; give a network of images"),
        ("vit", {"dtype": np.float32}, r"takes bytes of shape \[3, 16, 16\] .* found float32 of shape \[3, 16, 16\]"),
        ("vit", {"shape": (3, 12, 12)}, r"found uint8 of shape \[3, 12, 12\]; write the arrays so, or state .*`size`"),
        ("vit", {"places": 8}, r"target 'level' has 64 places, and the encoder 16 \(4 x 4\); write it at that"),
    ],
)
def test_what_does_not_fit_is_reported(folder: Path, tmp_path: Path, encoder: str, data: dict, said: str) -> None:
    write(tmp_path / "arrays", **data)
    config = make_config(keys(folder, f"hf:{folder / encoder}", data=str(tmp_path / "arrays")))
    with pytest.raises(UserError, match=said):
        prepare(config)


def test_a_size_that_the_network_does_not_take(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "arrays", shape=(3, 12, 12))
    encoder = {"name": "hf", "source": str(folder / "vit"), "size": 12}
    with pytest.raises(UserError, match=r"takes no images of 12 x 12 \("):
        prepare(make_config(keys(folder, encoder, data=str(tmp_path / "arrays"))))
