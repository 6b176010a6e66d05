"""Files are whole or absent, and trees come back as they were."""

import errno
import math
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from polytask import UserError
from polytask.files import (
    DTYPES,
    TreeCopy,
    load_tree,
    read_json,
    replaced,
    reserve,
    rng_state,
    save_tree,
    set_rng_state,
    sha256,
    write_bytes,
    write_json,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_replaces_the_old_one_and_leaves_no_other(tmp_path):
    path = tmp_path / "deep" / "file"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_while_writing_leaves_the_old_file_and_no_temporary(tmp_path, failure):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(failure), replaced(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise failure
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_content_and_name_are_on_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink().name))
    write_bytes(tmp_path / "file", b"new")
    assert synced == [f".file.{os.getpid()}.tmp", tmp_path.name]


def test_a_place_that_cannot_be_reserved_leaves_nothing(tmp_path, monkeypatch):
    reserve(tmp_path / "file", 5000)
    assert (tmp_path / "file").read_bytes() == bytes(5000)
    (tmp_path / "file").unlink()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        reserve(tmp_path / "file", 5000)
    assert names(tmp_path) == []


def test_a_failure_of_a_first_write_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        save_tree(tmp_path / "file", {"a": object()})
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file", [math.nan])
    assert names(tmp_path) == []


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert torch.equal(found.nan_to_num(7), expected.nan_to_num(7))
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected or (math.isnan(found) and math.isnan(expected))


SHARED = torch.arange(6.0)
TREES = {
    "empty": {},
    "numbers": [0, -1, 2**62, 0.1, 1e-300, math.inf, -math.inf, math.nan, True, False, None, "", "tensor", "ü\n"],
    "containers": {"tuple": (1, (2, [3, ()])), "items": {}, "list": [[], {}]},
    "keys": {0: "int", "0": "text", 10: {1: 2}},
    "dtypes": [
        torch.tensor([1.5, math.nan, math.inf]),
        *(torch.tensor([0, 1, 2]).to(dtype) for dtype in (torch.float64, torch.float16, torch.bfloat16)),
        *(torch.tensor([0, 1, 2]).to(dtype) for dtype in (torch.int64, torch.int32, torch.uint8, torch.bool)),
        torch.tensor(3.0),
        torch.zeros(0, 4),
    ],
    "views": (SHARED, SHARED[::2], SHARED.view(2, 3).T),
}


@pytest.mark.parametrize("name", TREES)
def test_a_tree_comes_back_as_it_was(tmp_path, name):
    save_tree(tmp_path / "tree", TREES[name])
    assert_same(load_tree(tmp_path / "tree"), TREES[name])


def test_the_state_of_an_optimizer_comes_back_as_it_was(tmp_path):
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    save_tree(tmp_path / "tree", optimizer.state_dict())
    assert_same(load_tree(tmp_path / "tree"), optimizer.state_dict())


def test_a_loaded_tensor_does_not_need_the_file(tmp_path):
    save_tree(tmp_path / "tree", torch.ones(1000))
    loaded = load_tree(tmp_path / "tree")
    save_tree(tmp_path / "tree", torch.zeros(1000))
    assert loaded.sum() == 1000


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_tree_is_an_error_that_names_the_file(tmp_path, share):
    path = tmp_path / "tree"
    save_tree(path, {"a": torch.randn(50), "b": [1, 2, 3]})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match="tree: damaged or truncated"):
        load_tree(path)


def test_a_file_of_another_kind_is_an_error(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "weights")
    (tmp_path / "text").write_text("hello " * 100)
    for name in ("weights", "text"):
        with pytest.raises(UserError, match=name):
            load_tree(tmp_path / name)


@pytest.mark.parametrize("read", [load_tree, read_json])
def test_a_missing_file_is_an_error_that_names_it(tmp_path, read):
    with pytest.raises(UserError, match="nothing: no such file"):
        read(tmp_path / "nothing")


def test_json_numbers_round_trip_exactly(tmp_path):
    value = {"a": [0.1 + 0.2, 1e-310, 12345678901234567890], "ü": None}
    write_json(tmp_path / "file", value)
    assert read_json(tmp_path / "file") == value


@pytest.mark.parametrize("content", [b'{"a": 1', b"\xff\xfe"])
def test_damaged_json_is_an_error(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match="damaged JSON"):
        read_json(tmp_path / "file")


def test_fingerprint_is_that_of_the_content(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_random_numbers_continue_from_a_saved_state(tmp_path):
    save_tree(tmp_path / "state", rng_state())
    expected = torch.rand(5)
    set_rng_state(load_tree(tmp_path / "state"))
    assert torch.equal(torch.rand(5), expected)


def test_a_copy_of_a_tree_is_not_changed_by_what_comes_after(tmp_path):
    numbers, words = torch.arange(3.0), ["a"]
    copy = TreeCopy({"numbers": numbers, "words": words, "half": numbers[:2]})
    numbers += 1
    words.append("b")
    copy.save(tmp_path / "tree")
    loaded = load_tree(tmp_path / "tree")
    assert loaded["words"] == ["a"]
    assert loaded["numbers"].tolist() == [0, 1, 2] and loaded["half"].tolist() == [0, 1]


def test_a_tree_is_a_file_that_safetensors_reads(tmp_path):
    """Of every type of numbers, scalars, nothing, and parts of other tensors."""
    whole = torch.arange(12).view(3, 4)
    tree = [whole.to(dtype) for dtype in DTYPES] + [torch.tensor(True), torch.zeros(0, 3), whole.T, whole[:, 1]]
    save_tree(tmp_path / "tree", tree)
    found = load_file(tmp_path / "tree")
    assert len(found) == len(tree)
    for number, tensor in enumerate(tree):
        read = found[str(number)]
        assert read.dtype == tensor.dtype and read.tolist() == tensor.tolist()
        assert load_tree(tmp_path / "tree")[number].tolist() == tensor.tolist()


def test_a_tree_of_tensors_that_cannot_be_kept_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"tensors of torch.complex128"):
        save_tree(tmp_path / "file", torch.zeros(2, dtype=torch.complex128))
