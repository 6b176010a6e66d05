"""Trees come back as they were."""

import math

import pytest
import torch
from safetensors.torch import load_file

from polytask import UserError
from polytask.balancing.randomness import rng_state, set_rng_state
from polytask.training.trees import DTYPES, TreeCopy, load_tree, save_tree


def test_a_tree_of_anything_else_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        save_tree(tmp_path / "file", {"a": object()})
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(UserError, match="nothing: no such file"):
        load_tree(tmp_path / "nothing")


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


def test_a_copy_takes_the_memory_of_one_that_is_not_needed():
    def tree(value: float, rows: int = 2) -> dict[str, object]:
        return {"a": torch.full((rows, 3), value), "b": [torch.tensor(value, dtype=torch.float64), value]}

    first = TreeCopy(tree(1.0))
    memory = first.tree()["a"].data_ptr()
    second = TreeCopy(tree(2.0), first)
    assert_same(second.tree(), tree(2.0))
    assert second.tree()["a"].data_ptr() == memory
    third = TreeCopy(tree(3.0, rows=4), second)
    assert_same(third.tree(), tree(3.0, rows=4))
    assert_same(second.tree()["a"], torch.full((2, 3), 2.0))
