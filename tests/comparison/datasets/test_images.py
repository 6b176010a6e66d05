"""CelebA and Taskonomy, read from small folders of exactly their layouts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import polytask as pt
from polytask.comparison.compare import compare
from polytask.comparison.config import make_comparison
from polytask.comparison.datasets import with_dataset
from polytask.comparison.datasets.celeba import celeba
from polytask.comparison.datasets.pictures import ENCODER
from polytask.comparison.datasets.taskonomy import decode, taskonomy
from polytask.data.arrays import read_arrays
from polytask.errors import UserError
from polytask.models.conv_encoder import ConvEncoder
from polytask.runs import Display

Image = pytest.importorskip("PIL.Image", reason="the extra 'images' is not installed")
NAMES = ("Black_Hair", "No_Beard", "Smiling")


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Twelve pictures of 178 x 218; the first attribute is whether it is dark."""
    (tmp_path / "img_align_celeba").mkdir()
    lines, parts = [], []
    for number in range(12):
        name = f"{number + 1:06d}.jpg"
        Image.new("RGB", (178, 218), (30, 30, 30) if number % 2 else (220, 220, 220)).save(
            tmp_path / "img_align_celeba" / name
        )
        lines.append(f"{name} {'1' if number % 2 else '-1'} {' 1' if number % 3 else '-1'} -1")
        parts.append(f"{name} {0 if number < 6 else 1 if number < 9 else 2}")
    (tmp_path / "list_attr_celeba.txt").write_text("\n".join(["12", " ".join(NAMES) + " ", *lines, ""]))
    (tmp_path / "list_eval_partition.txt").write_text("\n".join([*parts, ""]))
    return tmp_path


def test_faces(faces: Path, tmp_path: Path) -> None:
    keys = celeba(tmp_path / "out", Display(), folder=str(faces), attributes=None, size=16)
    assert keys["targets"] == list(NAMES)
    tasks, rows = read_arrays(Path(keys["data"]))
    assert [task.metric for task in tasks] == ["accuracy"] * 3
    assert {part: len(found) for part, found in rows.items()} == {"train": 6, "validation": 3, "test": 3}
    pictures = rows["train"].inputs[torch.tensor([1, 0])]
    assert pictures.shape == (2, 3, 16, 16)
    assert pictures.float().mean((1, 2, 3)).tolist() == pytest.approx([30, 220], abs=2)
    assert rows["train"].targets[:, 0].tolist() == [0, 1, 0, 1, 0, 1]


def test_pictures_are_read_once(faces: Path, tmp_path: Path) -> None:
    first = celeba(tmp_path / "out", Display(), folder=str(faces), attributes=["No_Beard"], size=8, most=2)
    shutil.rmtree(faces / "img_align_celeba")
    (faces / "img_align_celeba").mkdir()
    again = celeba(tmp_path / "out", Display(), folder=str(faces), attributes=["No_Beard"], size=8, most=2)
    assert again == first and [len(rows) for rows in read_arrays(Path(first["data"]))[1].values()] == [2, 2, 2]
    with pytest.raises(UserError, match=r"000001\.jpg: not readable as an image"):
        celeba(tmp_path / "out", Display(), folder=str(faces), attributes=["No_Beard"], size=4, most=2)


def test_what_is_missing_is_named(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no attribute 'Blak_Hair'; did you mean 'Black_Hair'"):
        celeba(tmp_path, Display(), folder=str(faces), attributes=["Blak_Hair"])
    monkeypatch.delenv("POLYTASK_DATA", raising=False)
    with pytest.raises(UserError, match=r"celeba: give its folder.*POLYTASK_DATA"):
        celeba(tmp_path, Display())
    monkeypatch.setenv("POLYTASK_DATA", str(tmp_path))
    with pytest.raises(UserError) as error:
        celeba(tmp_path, Display())
    assert len(error.value.problems) == 3
    with pytest.raises(UserError, match="celeba has no option 'atributes'; did you mean 'attributes'"):
        with_dataset({"dataset": {"name": "celeba", "atributes": None}}, tmp_path)


@pytest.fixture
def views(tmp_path: Path) -> Path:
    """Three buildings with two views of 32 x 32; one view of the first building lacks its depth."""
    stored = {
        "rgb": np.full((32, 32, 3), 255, np.uint8),
        "segment_semantic": np.repeat(np.arange(4, dtype=np.uint8), 256).reshape(32, 32),
        "depth_zbuffer": np.where(np.arange(32) < 16, 1024, 65535).astype(np.uint16)[None].repeat(32, 0),
        "normal": np.full((32, 32, 3), 255, np.uint8),
        "keypoints2d": np.full((32, 32), 65535, np.uint16),
        "edge_texture": np.zeros((32, 32), np.uint16),
    }
    for building in ("ackerman", "allensville", "beechwood"):
        for domain, values in stored.items():
            (tmp_path / domain / building).mkdir(parents=True)
            for view in range(2):
                if (building, domain, view) == ("ackerman", "depth_zbuffer", 1):
                    continue
                name = f"point_{view}_view_3_domain_{domain.replace('segment_semantic', 'segmentsemantic')}.png"
                Image.fromarray(values).save(tmp_path / domain / building / name)
    table = "id,train,val,test\nackerman,1,0,0\nallensville,0,1,0\nbeechwood,0,0,1\n"
    (tmp_path / "train_val_test_tiny.csv").write_text(table)
    return tmp_path


def test_views(views: Path, tmp_path: Path) -> None:
    keys = taskonomy(tmp_path / "out", Display(), folder=str(views), size=32)
    tasks, parts = read_arrays(Path(keys["data"]))
    assert [(task.name, task.kind, task.width) for task in tasks] == [
        ("segmentation", "tags", 16), ("depth", "dense", 1), ("normals", "dense", 3), ("keypoints", "dense", 1),
        ("edges", "dense", 1),
    ]  # fmt: skip
    assert {part: len(found) for part, found in parts.items()} == {"train": 1, "validation": 2, "test": 2}
    row = parts["train"]
    assert row.inputs.shape == (1, 3, 32, 32) and row.inputs.unique().tolist() == [255]
    segmentation, depth, normals, keypoints, edges = (row.wide[place].view(16, 16, -1) for place in range(5))
    assert torch.isnan(segmentation[:4]).all() and segmentation[4:].unique().tolist() == [0, 1, 2]
    assert (depth[:, :8] == 2.0).all() and torch.isnan(depth[:, 8:]).all()
    assert normals.shape == (16, 16, 3) and (normals == 1).all()
    assert (keypoints == 1).all() and (edges == 0).all()


def test_views_are_spread_over_the_buildings(views: Path, tmp_path: Path) -> None:
    keys = taskonomy(tmp_path / "out", Display(), folder=str(views), size=8, most=1, tasks=["edges"])
    assert [len(rows) for rows in read_arrays(Path(keys["data"]))[1].values()] == [1, 1, 1]


def test_unknown_classes_and_missing_folders_are_named(views: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected classes 0 to 16, found 99"):
        decode("segmentation", np.full((2, 2), 99, np.uint8), Path("a.png"))
    with pytest.raises(UserError) as error:
        taskonomy(tmp_path, Display(), folder=str(views / "nowhere"))
    assert len(error.value.problems) == 7


ENCODERS = {name: {"class": ENCODER, "args": {"hidden": [8, 8], "items": name == "taskonomy"}}
            for name in ("celeba", "taskonomy")}  # fmt: skip
METHODS = {"joint": {"converge": "joint"}, "uw": {"balance": "uw"}, "grouped": {"networks": 2},
           "mtlkd": {"distill": "mtlkd"}}  # fmt: skip


@pytest.mark.parametrize("name", ["celeba", "taskonomy"])
def test_a_whole_comparison(
    name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    official, out = request.getfixturevalue("faces" if name == "celeba" else "views"), tmp_path_factory.mktemp("out")
    dataset = {"name": name, "folder": str(official), "size": 16}
    if name == "celeba":
        dataset["attributes"] = ["Black_Hair", "No_Beard"]
    base = {"dataset": dataset, "steps": 6, "batch_size": 4, "evaluate_every": 2, "encoder": ENCODERS[name]}
    study = {"base": base, "methods": METHODS, "seeds": 1, "trials": 1, "baselines": {"static": False, "trees": False}}
    results = compare(make_comparison(study), out / "study")
    methods = results["setups"][name]["methods"]
    assert list(methods) == ["single_task", "equal", *METHODS]
    for found in methods.values():
        assert found["seeds"]["0"]["failure"] is None
        values = [task["test"] for task in found["seeds"]["0"]["tasks"].values()]
        assert all(value is not None and np.isfinite(value) for value in values)
    with pytest.raises(UserError, match="trees need a table"):
        compare(make_comparison(study | {"baselines": {}}), out / "trees")


def test_a_network_learns_from_pictures(faces: Path, tmp_path: Path) -> None:
    keys = celeba(tmp_path / "out", Display(), folder=str(faces), attributes=["Black_Hair", "No_Beard"], size=16)
    tasks, rows = read_arrays(Path(keys["data"]))
    torch.manual_seed(0)
    model = pt.MultiTaskModel(ConvEncoder(hidden=(8, 16)), tasks)
    settings = pt.TrainingSettings(steps=60, batch_size=6, learning_rate=0.01, device="cpu")
    result = pt.fit(model, train=rows["train"], validation=rows["validation"], settings=settings)
    assert result.tasks["Black_Hair"].validation == 1.0
