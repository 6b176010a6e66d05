"""From paths to images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from polytask.data import FileInput, Rows
from polytask.data.rows import rows_at_once
from polytask.errors import UserError
from polytask.pretrained import ImageFiles, ImageReader
from polytask.pretrained import images as module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for name, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        Image.new("RGB", (12, 20), colour).save(tmp_path / "pictures" / f"{name}.png")
    Image.new("L", (8, 8), 200).save(tmp_path / "grey.png")
    (tmp_path / "text.png").write_text("no image")
    return tmp_path


def table(*paths: str | None) -> pa.Table:
    return pa.table({"file": pa.array(paths, pa.string())})


def test_images_come_in_one_size_as_bytes(folder):
    found = ImageReader("file", 8)(table("pictures/red.png", None, "grey.png"), folder)
    assert found.shape == (3, 3, 8, 8) and str(found.dtype) == "torch.uint8"
    assert np.unique(found[0, 0]).tolist() == [255] and found[0, 1:].max() == 0
    assert found[1].unique().tolist() == [128] and found[2].unique().tolist() == [200]


def test_all_missing_files_are_in_one_message(folder):
    names = ["pictures/red.png", *(f"gone{number}.png" for number in range(7))]
    with pytest.raises(UserError, match=r"7 files are missing: gone0.png \(row 2\), .* and 2 more in .*relative"):
        ImageReader("file", 8)(table(*names), folder, where="t.csv")


def test_files_that_are_no_images_are_named(folder):
    with pytest.raises(UserError, match=r"1 files are no images, or damaged: text.png \(row 1\)"):
        ImageReader("file", 8)(table("text.png"), folder)


def test_blocks_name_the_rows_of_the_whole_table(folder):
    reader = ImageReader("file", 8)
    good = [block.shape[0] for block in reader.blocks(table(*["grey.png"] * 5), folder, 2)]
    assert good == [2, 2, 1]
    with pytest.raises(UserError, match=r"text.png \(row 4\)"):
        list(reader.blocks(table("grey.png", None, "grey.png", "text.png"), folder, 2))
    with pytest.raises(UserError, match=r"2 files are missing: a.png \(row 1\), b.png \(row 4\)"):
        list(reader.blocks(table("a.png", None, None, "b.png"), folder, 2))


def test_more_than_a_share_of_the_memory_stays_in_files(folder, monkeypatch):
    rows = table("pictures/red.png", None, "grey.png", "pictures/blue.png")
    held = ImageReader("file", 8)(rows, folder)
    monkeypatch.setattr(module, "MEMORY_SHARE", 1e-12)
    files = ImageReader("file", 8)(rows, folder)
    assert isinstance(files, FileInput) and files.shape == held.shape
    some = Rows.from_matrix({"pictures": files}, torch.zeros(4, 1)).subset(torch.tensor([3, 1, 0]))
    assert torch.equal(some[torch.tensor([2, 0])].inputs["pictures"], held[[0, 3]])
    assert torch.equal(some.inputs["pictures"][1:], held[[1, 0]])
    assert rows_at_once({"pictures": ImageFiles((None,), folder, 512)}) == 5
    assert files.fingerprint == some.inputs["pictures"].fingerprint != ImageFiles((None,), folder, 8).fingerprint


def test_files_that_are_found_broken_later_are_named(folder, monkeypatch):
    monkeypatch.setattr(module, "MEMORY_SHARE", 1e-12)
    files = ImageReader("file", 8)(table("grey.png", "text.png"), folder, where="t.csv")
    with pytest.raises(UserError, match=r"t.csv: column 'file': 1 files are no images.* text.png \(row 2\)"):
        files.only(torch.tensor([1]))[torch.tensor([0])]
