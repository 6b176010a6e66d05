"""A run on a folder of arrays: the whole way, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from polytask import Task, UserError
from polytask.config import make_config
from polytask.data.arrays import ArrayWriter
from polytask.runs.bundle import Bundle
from polytask.runs.preparation.prepare import prepare
from small_table import assert_refused, polytask

TASKS = [Task("bright"), Task("half", kind="dense"), Task("rows", kind="tags", classes=("dark", "light"),
                                                          metric="token_accuracy")]  # fmt: skip
ENCODER = {
    "class": "polytask.models.conv_encoder:ConvEncoder",
    "args": {"channels": 1, "hidden": [8, 8], "items": True},
}


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 8 x 8; the targets are what is seen at half the size."""
    folder, draw = tmp_path_factory.mktemp("data") / "pictures", np.random.default_rng(0)
    lengths = {"half": 16, "rows": 16}
    writer = ArrayWriter(folder, TASKS, {"train": 64, "validation": 16, "test": 16}, (1, 8, 8), lengths=lengths)
    for row in range(96):
        image = np.kron(draw.integers(0, 2, (4, 4)) * 255, np.ones((2, 2)))
        half = image[::2, ::2] / 255
        writer.put(
            row, image[None], {"bright": half.mean() > 0.5, "half": half, "rows": half if row % 3 else half * np.nan}
        )
    writer.close()
    return folder


def keys(folder: Path, **more: object) -> dict:
    targets = [task.name for task in TASKS]
    return {
        "data": str(folder),
        "targets": targets,
        "encoder": ENCODER,
        "networks": 1,
        "device": "cpu",
        "evaluate_every": 8,
    } | more


@pytest.mark.parametrize("networks", [1, "auto"])
def test_the_whole_way(arrays: Path, tmp_path: Path, networks: object) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(keys(arrays, networks=networks, steps=80, batch_size=16, learning_rate=0.01)))
    done = polytask("fit", config, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    bundle = Bundle.load(tmp_path / "run")
    rows = prepare(make_config(keys(arrays))).rows["test"]
    values = bundle.evaluate(rows, [task.name for task in TASKS])
    assert values["half"] < 0.25 and values["rows"] > 0.8  # from 0.5 and about half right
    assert_refused(polytask("predict", tmp_path / "run", arrays, "--out", tmp_path / "p.csv"), "a folder of arrays")
    drawn = "Weights, gradient norms and conflicts" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert drawn == (networks == "auto")  # equal weights, and affinity is measured for a choice of networks only


def test_everything_that_does_not_fit_is_named(arrays: Path) -> None:
    with pytest.raises(UserError) as error:
        prepare(make_config(keys(arrays, targets=["brigt"], encoder=None, split="part", kind={"brigt": "binary"})))
    said = "\n".join(error.value.problems)
    assert "no target 'brigt'; did you mean 'bright'" in said
    assert "split: has no effect on a folder of arrays" in said and "kind: has no effect" in said
    assert "give an encoder for inputs of shape [1, 8, 8]" in said


@pytest.mark.parametrize("target", ["half", "rows"])
def test_an_encoder_with_another_number_of_positions_is_reported(tmp_path: Path, target: str) -> None:
    writer = ArrayWriter(
        tmp_path / "few", TASKS, {"train": 8, "validation": 4, "test": 4}, (1, 8, 8), lengths={"half": 4, "rows": 4}
    )
    for row in range(16):
        writer.put(row, np.zeros((1, 8, 8)), {"half": np.arange(4) % 2, "rows": np.arange(4) % 2})
    writer.close()
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(keys(tmp_path / "few", targets=[target], steps=2, baselines=False)))
    done = polytask("fit", config, "--out", tmp_path / "run")
    assert done.exit_code == 2 and "it gives 16 places per row, and there are targets for 4" in done.stderr


def test_weights_metrics_and_some_of_the_targets(arrays: Path) -> None:
    chosen = keys(arrays, targets=["rows", "bright"], weights={"rows": 0.5}, metric={"bright": "accuracy"})
    data = prepare(make_config(chosen))
    assert [(task.name, task.weight, task.metric) for task in data.tasks] == [
        ("rows", 0.5, "token_accuracy"), ("bright", 1.0, "accuracy"),
    ]  # fmt: skip
    assert list(data.rows["train"].wide) == [0] and data.rows["train"].wide[0].shape == (64, 16)
