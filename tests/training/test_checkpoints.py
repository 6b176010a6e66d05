import os
import random

import pytest
import torch

from polytask import AsynchronousConvergence, fit
from polytask.errors import DamagedFileError, UserError
from polytask.training.callbacks import label_sources
from polytask.training.checkpoints import checkpoint_steps
from polytask.training.trees import load_tree, save_tree
from small_training import Interrupt, assert_same_result, make_model, make_rows, small_settings

ROWS, VALIDATION = make_rows(), make_rows(600, seed=1)
DAMAGES = {
    "truncated": lambda content: content[: len(content) * 2 // 3],
    "empty": lambda content: b"",
    "one flipped bit": lambda content: content[:-100] + bytes([content[-100] ^ 1]) + content[-99:],
}


def run(folder=None, stop=None, **options):
    return fit(
        make_model(),
        train=ROWS,
        validation=VALIDATION,
        callbacks=[Interrupt(stop), AsynchronousConvergence(patience=1, min_evaluations=2, teachers=2, tail=3)],
        settings=small_settings(steps=40, checkpoint_seconds=0.0, **options),
        folder=folder,
    )


@pytest.fixture(scope="module")
def uninterrupted():
    return run()


def interrupted(folder, step=22):
    with pytest.raises(KeyboardInterrupt):
        run(folder, step)
    steps = sorted(checkpoint_steps(folder))
    assert len(steps) == 2 and steps[-1] == step
    return [folder / f"checkpoint-{step}.safetensors" for step in steps]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_found_and_the_one_before_it_used(tmp_path, uninterrupted, damage):
    newest = interrupted(tmp_path)[-1]
    newest.write_bytes(DAMAGES[damage](newest.read_bytes()))
    with pytest.warns(UserWarning, match=r"checkpoint-22.safetensors: damaged .* checkpoint of step 21 is used"):
        assert_same_result(run(tmp_path), uninterrupted)
    assert not checkpoint_steps(tmp_path)


def test_all_damaged_is_an_error(tmp_path):
    for path in interrupted(tmp_path):
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DamagedFileError, match="checkpoint-22"):
        run(tmp_path)


def test_a_checkpoint_of_another_version_is_refused_with_the_remedy(tmp_path):
    for path in interrupted(tmp_path):
        save_tree(path, {**load_tree(path), "format": 1})
    with pytest.raises(UserError, match=r"checkpoint-22.safetensors: .* another version of polytask wrote it; resume"):
        run(tmp_path)
    assert len(checkpoint_steps(tmp_path)) == 2  # nothing is lost


def test_snapshots_of_both_checkpoints_are_kept(tmp_path):
    for path in interrupted(tmp_path):
        assert path.exists()
    kept = {int(path.stem) for path in (tmp_path / "snapshots").glob("*.safetensors")}
    assert kept and max(kept) <= 22
    torch.manual_seed(1)
    newest = tmp_path / "checkpoint-22.safetensors"
    newest.unlink()  # as if it had never been written
    run(tmp_path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_soft_labels_are_named(tmp_path, damage):
    interrupted(tmp_path)
    labels = sorted((tmp_path / "soft_labels").glob("*.bin"))[0]
    labels.write_bytes(DAMAGES[damage](labels.read_bytes()))
    with pytest.raises(DamagedFileError, match=f"{labels.name}: damaged or truncated; restore"):
        run(tmp_path)


def test_soft_labels_of_a_process_that_is_new_are_those_of_the_first(tmp_path, uninterrupted, monkeypatch):
    interrupted(tmp_path)
    monkeypatch.setattr(label_sources, "rank", lambda: 1)
    assert_same_result(run(tmp_path), uninterrupted)
    first = {path.name for path in (tmp_path / "soft_labels").glob("*.0.bin")}
    assert first and {name.replace(".0.bin", ".1.bin") for name in first} <= {
        path.name for path in (tmp_path / "soft_labels").iterdir()
    }


@pytest.mark.parametrize("keep", [1, 4])
def test_the_last_few_are_kept(tmp_path, keep):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, 10, keep_checkpoints=keep)
    assert sorted(checkpoint_steps(tmp_path)) == list(range(11 - keep, 11))


def test_a_clock_that_jumps_does_not_matter(tmp_path, uninterrupted, monkeypatch):
    jumps = random.Random(0)
    monkeypatch.setattr("polytask.training.events.time.time", lambda: jumps.uniform(-1e9, 4e9))
    interrupted(tmp_path)
    os.utime(tmp_path / "checkpoint-22.safetensors", (0, 0))  # newest by its step, not by its time
    os.utime(tmp_path / "checkpoint-21.safetensors", (4e9, 4e9))
    assert_same_result(run(tmp_path), uninterrupted)
