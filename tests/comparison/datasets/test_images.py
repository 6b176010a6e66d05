"""CelebA, Taskonomy and MultiMNIST, which scripts make: from small folders of exactly their layouts."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import polytask as pt
from polytask.comparison.compare import compare
from polytask.comparison.config import make_comparison, read_comparison
from polytask.data.arrays import read_arrays
from polytask.errors import UserError
from polytask.models.conv_encoder import ConvEncoder
from realdata import realdata

Image = pytest.importorskip("PIL.Image", reason="the extra 'images' is not installed")
SCRIPTS = Path(__file__).parents[3] / "benchmarks" / "datasets"
NAMES = ("Black_Hair", "No_Beard", "Smiling")


@pytest.fixture
def script(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script of the name that the test gives."""
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module(request.param)


def of(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("script", [name], indirect=True)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Twelve images of 178 x 218; the first attribute is whether it is dark."""
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


@of("celeba")
def test_faces(script: Any, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["celeba.py", str(faces), str(out), "--all", "--size", "16"])
    script.main()
    tasks, rows = read_arrays(out)
    assert [task.name for task in tasks] == list(NAMES) and [task.metric for task in tasks] == ["accuracy"] * 3
    assert {part: len(found) for part, found in rows.items()} == {"train": 6, "validation": 3, "test": 3}
    images = rows["train"].inputs[torch.tensor([1, 0])]
    assert images.shape == (2, 3, 16, 16)
    assert images.float().mean((1, 2, 3)).tolist() == pytest.approx([30, 220], abs=2)
    assert rows["train"].targets[:, 0].tolist() == [0, 1, 0, 1, 0, 1]


@of("celeba")
def test_what_is_missing_is_named(script: Any, faces: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no attribute 'Blak_Hair'; did you mean 'Black_Hair'"):
        script.celeba(faces, tmp_path / "out", ["Blak_Hair"])
    with pytest.raises(UserError) as error:
        script.celeba(tmp_path / "nowhere", tmp_path / "out")
    assert len(error.value.problems) == 3
    (faces / "img_align_celeba" / "000001.jpg").unlink()
    with pytest.raises(UserError, match=r"000001\.jpg: not readable as an image"):
        script.celeba(faces, tmp_path / "out", ["No_Beard"], size=4, most=2)


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


@of("taskonomy")
def test_views(script: Any, views: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["taskonomy.py", str(views), str(out), "--size", "32"])
    script.main()
    tasks, parts = read_arrays(out)
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


@of("taskonomy")
def test_views_are_spread_over_the_buildings(script: Any, views: Path, tmp_path: Path) -> None:
    script.taskonomy(views, tmp_path / "out", size=8, most=1, tasks=["edges"])
    assert [len(rows) for rows in read_arrays(tmp_path / "out")[1].values()] == [1, 1, 1]


@of("taskonomy")
def test_unknown_classes_and_missing_folders_are_named(script: Any, views: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected classes 0 to 16, found 99"):
        script.decode("segmentation", np.full((2, 2), 99, np.uint8), Path("a.png"))
    with pytest.raises(UserError) as error:
        script.taskonomy(views / "nowhere", tmp_path / "out")
    assert len(error.value.problems) == 7


METHODS = {"joint": {"converge": "joint"}, "uw": {"balance": "uw"}, "grouped": {"networks": 2},
           "mtlkd": {"distill": "mtlkd"}}  # fmt: skip


@pytest.mark.parametrize("script", ["celeba", "taskonomy"], indirect=True)
def test_a_whole_comparison(script: Any, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    name, out = script.__name__, tmp_path / "out"
    if name == "celeba":
        script.celeba(request.getfixturevalue("faces"), out / "arrays", ["Black_Hair", "No_Beard"], size=16)
    else:
        script.taskonomy(request.getfixturevalue("views"), out / "arrays", size=16)
    config, _ = read_comparison(SCRIPTS / f"{name}.yaml")
    (ready,) = config.setup_values().values()
    targets = ["Black_Hair", "No_Beard"] if name == "celeba" else ready["targets"]
    encoder = {"class": ready["encoder"]["class"], "args": {"hidden": [8, 8], "items": name == "taskonomy"}}
    base = {"data": str(out / "arrays"), "targets": targets, "steps": 6, "batch_size": 4, "evaluate_every": 2,
            "encoder": encoder}  # fmt: skip
    study = {"base": base, "methods": METHODS, "seeds": 1, "trials": 1, "baselines": {"static": False, "trees": False}}
    results = compare(make_comparison(study), out / "study")
    (setup,) = results["setups"].values()
    methods = setup["methods"]
    assert list(methods) == ["single_task", "equal", *METHODS]
    for found in methods.values():
        assert found["seeds"]["0"]["failure"] is None
        values = [task["test"] for task in found["seeds"]["0"]["tasks"].values()]
        assert all(value is not None and np.isfinite(value) for value in values)
    with pytest.raises(UserError, match="trees need a table"):
        compare(make_comparison(study | {"baselines": {}}), out / "trees")


@of("celeba")
def test_a_network_learns_from_pictures(script: Any, faces: Path, tmp_path: Path) -> None:
    script.celeba(faces, tmp_path / "out", ["Black_Hair", "No_Beard"], size=16)
    tasks, rows = read_arrays(tmp_path / "out")
    torch.manual_seed(0)
    model = pt.MultiTaskModel(ConvEncoder(hidden=(8, 16)), tasks)
    settings = pt.TrainingSettings(steps=60, batch_size=6, learning_rate=0.01, device="cpu")
    result = pt.fit(model, train=rows["train"], validation=rows["validation"], settings=settings)
    assert result.tasks["Black_Hair"].validation == 1.0


@pytest.mark.realdata
@of("multimnist")
def test_multimnist_reads_the_official_files(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYTASK_DATA", str(realdata("mnist").parent))
    raw = {name: script.read_idx(file.path()) for name, file in script.FILES.items()}
    assert raw["train-images-idx3-ubyte"].shape == (60_000, 28, 28)
    assert np.bincount(raw["t10k-labels-idx1-ubyte"]).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    table = script.make_table(raw, {"train": 30, "validation": 10, "test": 10})
    assert table.num_rows == 50 and table.num_columns == 18 * 18 + 3


@of("multimnist")
def test_two_digits_lie_over_each_other(script: Any) -> None:
    first, second = np.zeros((2, 1, 28, 28), np.float32)
    first[0, 0, 0], second[0, 27, 27] = 4, 8
    picture = script.overlaid(first, second)
    assert picture.shape == (1, 18, 18)
    assert picture[0, 0, 0] == 1 and picture[0, 17, 17] == 2 and picture.sum() == 3
