"""State trees as files, without pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import DamagedFileError, UserError
from ..files import replaced

#: What trees hold, as safetensors calls it.
DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.complex64: "C64",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
    torch.bool: "BOOL", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip


class TreeCopy:
    """A copy of nested dictionaries, lists and tuples of tensors, numbers, strings, booleans and None, to be saved.

    What becomes of the tree afterwards does not change it, so that it can be saved in another thread.

    Args:
        tree: What to copy; tensors from any device.
        spare: An earlier copy that nobody needs any more; its memory is used again.

    Raises:
        TypeError: If something else is in it.
    """

    def __init__(self, tree: Any, spare: TreeCopy | None = None) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._shape = _encode(tree, self._tensors, {} if spare is None else spare._tensors)

    def tree(self) -> Any:
        """The copy, on the CPU."""
        return _decode(self._shape, self._tensors.__getitem__)

    def save(self, path: Path) -> None:
        """Write it atomically as one safetensors file.

        The tensors, and in its header the shape of the tree as JSON, and a checksum of everything.
        """
        shape = json.dumps(self._shape)
        content = {name: _bytes(tensor) for name, tensor in self._tensors.items()}
        metadata = {"tree": shape, "sha256": _checksum(shape, self._tensors, content)}
        with replaced(path) as temporary:
            _write_safetensors(temporary, self._tensors, content, metadata)


def save_tree(path: Path, tree: Any) -> None:
    """Save a tree that is never changed meanwhile, see :class:`TreeCopy`."""
    TreeCopy(tree).save(path)


def _write_safetensors(
    path: Path, tensors: Mapping[str, Tensor], content: Mapping[str, memoryview], metadata: Mapping[str, str]
) -> None:
    """Write tensors piece by piece, which holds up no other thread.

    The package's ``save`` lets no other thread run while it copies everything twice, and its ``save_file`` writes to a
    file of another name first, which stays if the process is killed.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    names = sorted(tensors, key=lambda name: -tensors[name].itemsize)  # so that all are aligned
    end = 0
    for name in names:
        tensor, start = tensors[name], end
        end += tensor.nbytes
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for name in names:
            file.write(content[name])


def load_tree(path: Path) -> Any:
    """Read what :func:`save_tree` wrote.

    Raises:
        UserError: If the file is missing.
        DamagedFileError: If it is truncated, not of this kind, or a bit of it has changed.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            header = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        content = {name: _bytes(tensor) for name, tensor in tensors.items()}
        if _checksum(header["tree"], tensors, content) != header["sha256"]:
            raise ValueError("its checksum does not fit its content")
        return _decode(json.loads(header["tree"]), tensors.__getitem__)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise DamagedFileError(
            f"{path}: damaged or truncated ({error}); restore the file or make the run again"
        ) from None


def _checksum(shape: str, tensors: Mapping[str, Tensor], content: Mapping[str, memoryview]) -> str:
    digest = hashlib.sha256(shape.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(content[name])
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data


#: Leaves that JSON holds as they are; subclasses of them, too.
PLAIN = frozenset({type(None), str, bool, int, float})


def _encode(node: Any, tensors: dict[str, Tensor], spare: Mapping[str, Tensor]) -> Any:
    if type(node) in PLAIN:  # most nodes: asked first, as states are copied at every evaluation
        return node
    if isinstance(node, Tensor):
        return _copied(node, tensors, spare)
    if isinstance(node, dict):
        items = node.items()
        return {"items": [[k, v if type(v) in PLAIN else _encode(v, tensors, spare)] for k, v in items]}
    if isinstance(node, list | tuple):
        copied = [value if type(value) in PLAIN else _encode(value, tensors, spare) for value in node]
        return copied if isinstance(node, list) else {"tuple": copied}
    if isinstance(node, str | int | float):
        return node
    raise TypeError(f"a state tree cannot hold {type(node).__name__}")


def _copied(tensor: Tensor, tensors: dict[str, Tensor], spare: Mapping[str, Tensor]) -> dict[str, str]:
    name = str(len(tensors))
    if tensor.dtype not in DTYPES:
        raise TypeError(f"a state tree cannot hold tensors of {tensor.dtype}")
    old = spare.get(name)
    if old is not None and (old.dtype, old.shape) == (tensor.dtype, tensor.shape):
        tensors[name] = old.copy_(tensor.detach())
    else:
        tensors[name] = tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
    return {"tensor": name}


def _decode(node: Any, tensor: Callable[[str], Tensor]) -> Any:
    if isinstance(node, list):
        return [_decode(value, tensor) for value in node]
    if not isinstance(node, dict):
        return node
    if "tensor" in node:
        return tensor(node["tensor"])
    if "tuple" in node:
        return tuple(_decode(value, tensor) for value in node["tuple"])
    return {key: _decode(value, tensor) for key, value in node["items"]}
