"""What is taken for a checkpoint, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from polytask.errors import UserError
from polytask.pretrained import KEPT, open_checkpoint


def changed(folder: Path, to: Path, **config: object) -> Path:
    shutil.copytree(folder, to)
    stored = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps(stored | config))
    return to


def test_a_checkpoint_states_what_it_reads(bert, vit, convnext):
    found = [open_checkpoint(str(folder)) for folder in (bert, vit, convnext)]
    assert [(c.reads, c.kind, c.width) for c in found] == [
        ("text", "bert", 32),
        ("image", "vit", 16),
        ("image", "convnext", 16),
    ]
    assert found[0].longest(found[0].tokenizer()) == 64


def test_pickled_weights_are_refused_with_the_remedy(bert, tmp_path):
    folder = changed(bert, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"found pytorch_model.bin, which can run code .*save_pretrained"):
        open_checkpoint(str(folder))


def test_code_that_comes_with_a_checkpoint_is_not_run(bert, tmp_path):
    folder = changed(
        bert, tmp_path / "code", model_type="mine", auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    )
    (folder / "own.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    with pytest.raises(UserError, match="without custom code"):
        open_checkpoint(str(folder)).network()
    assert not (tmp_path / "ran").exists()


def test_encoders_with_a_decoder_are_refused(bert, tmp_path):
    with pytest.raises(UserError, match="with a decoder"):
        open_checkpoint(str(changed(bert, tmp_path / "t5", is_encoder_decoder=True)))


def test_a_missing_folder_and_a_damaged_one_are_named(bert, tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        open_checkpoint(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"no config\.json"):
        open_checkpoint(str(tmp_path))
    folder = changed(bert, tmp_path / "cut")
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be loaded as bert"):
        open_checkpoint(str(folder)).network()


def test_a_name_of_the_hub_that_cannot_be_reached_is_one_message(monkeypatch):
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> str:
        raise OSError("no route to host\nand a long story")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(UserError, match=r"'bert-tiny' is not a folder here .* \(no route to host\)"):
        open_checkpoint("bert-tiny")


def test_a_copy_without_weights_is_made_again_with_random_ones(bert, tmp_path):
    open_checkpoint(str(bert)).copy_to(tmp_path / "run", weights=False)
    assert not (tmp_path / "run" / "model.safetensors").exists()
    with pytest.raises(UserError, match="found none"):
        open_checkpoint(str(tmp_path / "run"))
    (tmp_path / "run" / KEPT).write_text("{}")
    kept = open_checkpoint(str(tmp_path / "run"))
    assert kept.kept and kept.network().state_dict().keys() == open_checkpoint(str(bert)).network().state_dict().keys()
