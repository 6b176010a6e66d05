"""Atomic file writes, and state trees without pickle."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .errors import DamagedFileError, UserError, used_up

#: What trees hold, as safetensors calls it.
DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.complex64: "C64",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
    torch.bool: "BOOL", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block succeeds.

    If anything fails (a full disk, an interruption) the old file stays as it was and nothing is left over. Afterwards
    content and name are on the disk: what is written later never refers to a file that a power cut takes away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Return when the content of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():  # not every file system can
            raise
    finally:
        os.close(descriptor)


def reserve(path: Path, size: int) -> None:
    """Make a file of ``size`` zeros that has its place on the disk.

    A file that is mapped before it has, ends the process without a word (SIGBUS) when the disk is full.
    """
    with path.open("wb") as made:
        try:
            made.truncate(size)
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(made.fileno(), 0, size)
        except BaseException:
            path.unlink()
            raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file atomically."""
    with replaced(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any, *, compact: bool = False) -> None:
    """Write JSON atomically; numbers round-trip exactly. ``compact``: without line feeds and blanks."""
    layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 1}
    write_bytes(path, (json.dumps(value, ensure_ascii=False, allow_nan=False, **layout) + "\n").encode())


def read_json(path: Path, made_by: str = "") -> Any:
    """Read JSON; ``made_by`` names the command that writes such a file.

    Raises:
        UserError: If the file is missing, unreadable or damaged.
    """
    source = f"; {made_by} writes one" if made_by else ""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file{source}") from None
    except OSError as error:
        if used_up(error):
            raise
        raise UserError(f"{path}: cannot be read ({error.strerror}){source}") from None
    except (ValueError, RecursionError) as error:  # not JSON, not text at all, or nested a thousand times
        if made_by:
            raise UserError(
                f"{path}: expected a JSON file as written by {made_by}, found other content: {error}"
            ) from None
        raise UserError(f"{path}: damaged JSON ({error}); restore the file or make the run again") from None


def check_keys(content: Any, required: Sequence[str], where: str) -> list[str]:
    """What is wrong with ``content`` as a JSON object that needs the keys ``required``; empty for nothing."""
    if not isinstance(content, dict):
        return [f"{where}: expected an object with the keys {', '.join(required)}, found {type(content).__name__}"]
    found = ", ".join(map(str, content)) or "none"
    return [f"{where}: key {key!r} is missing (found: {found}); add it" for key in required if key not in content]


def sha256(path: Path) -> str:
    """Fingerprint of a file's content, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class TreeCopy:
    """A copy of nested dictionaries, lists and tuples of tensors, numbers, strings, booleans and None, to be saved.

    What becomes of the tree afterwards does not change it, so that it can be saved in another thread.

    Args:
        tree: What to copy; tensors from any device.

    Raises:
        TypeError: If something else is in it.
    """

    def __init__(self, tree: Any) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._shape = _encode(tree, self._tensors)

    def tree(self) -> Any:
        """The copy, on the CPU."""
        return _decode(self._shape, self._tensors.__getitem__)

    def save(self, path: Path) -> None:
        """Write it atomically as one safetensors file.

        The tensors, and in its header the shape of the tree as JSON, and a checksum of everything.
        """
        shape = json.dumps(self._shape)
        metadata = {"tree": shape, "sha256": _checksum(shape, self._tensors)}
        with replaced(path) as temporary:
            _write_safetensors(temporary, self._tensors, metadata)


def save_tree(path: Path, tree: Any) -> None:
    """Save a tree that is never changed meanwhile, see :class:`TreeCopy`."""
    TreeCopy(tree).save(path)


def _write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
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
            file.write(_bytes(tensors[name]))


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
        if _checksum(header["tree"], tensors) != header["sha256"]:
            raise ValueError("its checksum does not fit its content")
        return _decode(json.loads(header["tree"]), tensors.__getitem__)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise DamagedFileError(
            f"{path}: damaged or truncated ({error}); restore the file or make the run again"
        ) from None


def _checksum(shape: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(shape.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _encode(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, Tensor):
        name = str(len(tensors))
        if node.dtype not in DTYPES:
            raise TypeError(f"a state tree cannot hold tensors of {node.dtype}")
        tensors[name] = node.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(node, dict):
        return {"items": [[key, _encode(value, tensors)] for key, value in node.items()]}
    if isinstance(node, tuple):
        return {"tuple": [_encode(value, tensors) for value in node]}
    if isinstance(node, list):
        return [_encode(value, tensors) for value in node]
    if node is None or isinstance(node, str | bool | int | float):
        return node
    raise TypeError(f"a state tree cannot hold {type(node).__name__}")


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


def rng_state() -> Tensor:
    """State of torch's global generator on the CPU and, where it is in use, on the GPU."""
    parts = [torch.get_rng_state()]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        parts.append(torch.cuda.get_rng_state())
    return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)


def set_rng_state(state: Tensor) -> None:
    """Restore what :func:`rng_state` returned."""
    torch.set_rng_state(state[0])
    if len(state) > 1 and torch.cuda.is_available():
        torch.cuda.set_rng_state(state[1][: len(torch.cuda.get_rng_state())])
