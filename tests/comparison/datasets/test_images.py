"""CelebA and Taskonomy, read from small folders of exactly their layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import polytask as pt
from polytask.comparison.datasets.celeba import celeba
from polytask.comparison.datasets.taskonomy import FOLDERS, taskonomy
from polytask.errors import UserError

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


def test_faces(faces: Path) -> None:
    names, rows = celeba(faces, attributes=None, size=16)
    assert names == list(NAMES)
    assert {part: len(found) for part, found in rows.items()} == {"train": 6, "validation": 3, "test": 3}
    batch = rows["train"].inputs[torch.tensor([1, 0])]
    assert batch.shape == (2, 3, 16, 16) and batch.mean((1, 2, 3)).tolist() == pytest.approx([-0.76, 0.73], abs=0.02)
    assert rows["train"].targets[:, 0].tolist() == [0, 1, 0, 1, 0, 1]


def test_a_network_learns_from_files(faces: Path) -> None:
    names, rows = celeba(faces, attributes=["Black_Hair", "No_Beard"], size=8)
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 8), torch.nn.ReLU())
    model = pt.MultiTaskModel(encoder, [pt.Task(name, metric="accuracy") for name in names])
    settings = pt.TrainingSettings(steps=40, batch_size=6, learning_rate=0.01)
    result = pt.fit(model, train=rows["train"], validation=rows["validation"], settings=settings)
    assert result.tasks["Black_Hair"].validation == 1.0


def test_what_is_missing_is_named(faces: Path) -> None:
    with pytest.raises(UserError, match="no attribute 'Blak_Hair'; did you mean 'Black_Hair'"):
        celeba(faces, attributes=["Blak_Hair"])
    (faces / "list_eval_partition.txt").unlink()
    with pytest.raises(UserError, match=r"list_eval_partition\.txt: not found"):
        celeba(faces)
    (faces / "img_align_celeba" / "000001.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"000001\.jpg: not readable as a picture"):
        from polytask.comparison.datasets.celeba import read_image

        read_image(faces / "img_align_celeba" / "000001.jpg", 8)


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


def test_views(views: Path) -> None:
    parts = taskonomy(views, views / "train_val_test_tiny.csv", size=16)
    assert {part: len(found) for part, found in parts.items()} == {"train": 1, "validation": 2, "test": 2}
    picture, targets, known = parts["train"][0]
    assert picture.shape == (3, 16, 16) and picture.unique().tolist() == [1.0]
    assert set(targets) == set(FOLDERS)
    assert targets["segmentation"].unique().tolist() == [0, 1, 2, 3]
    assert known["segmentation"].float().mean() == 0.75
    assert targets["depth"][0, 0, 0] == 2.0 and known["depth"].float().mean() == 0.5
    assert targets["normals"].shape == (3, 16, 16) and targets["normals"].max() == 1.0
    assert targets["keypoints"].unique().tolist() == [1.0] and targets["edges"].unique().tolist() == [0.0]


def test_missing_folders_are_named_together(views: Path) -> None:
    with pytest.raises(UserError) as error:
        taskonomy(views / "nowhere", views / "train_val_test_tiny.csv")
    assert len(error.value.problems) == 6
