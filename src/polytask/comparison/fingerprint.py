"""What a run's numbers depend on, as one hash: data, configuration, code."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..config import Config, Decides, deciding
from ..models.encoders import encoder_named, is_named
from ..runs.made_with import PACKAGES, versions

#: Parts of the package that decide nothing about a run's numbers.
LEFT_OUT = ("cli", "records", "reporting", "comparison", "display")
#: Fields of a syntax tree that follow from the others.
_IMPLIED = frozenset(("ctx", "type_comment", "type_ignores", "kind"))
#: Keys that change no numbers; the data's content counts, not its place.
FREE_KEYS = deciding(Config, Decides.NOTHING) | {"data"}


@cache
def code_version() -> str:
    """SHA-256 of what this package does, as far as runs depend on it, and of the versions of the packages it uses.

    Comments, docstrings, the meanings of keys and the layout of the source do not count: they change no numbers.
    """
    package = Path(__file__).parent.parent
    own = [path for path in sorted(package.rglob("*.py")) if path.relative_to(package).parts[0] not in LEFT_OUT]
    own += [Path(__file__).with_name(name) for name in ("execute.py", "trees.py")]
    used = {name: number for name, number in versions().items() if name in PACKAGES}
    digest = hashlib.sha256(json.dumps(used, sort_keys=True).encode())
    for path in own:
        digest.update(f"\n{path.relative_to(package).as_posix()}\n{meaning(path.read_text(encoding='utf-8'))}".encode())
    return digest.hexdigest()


def meaning(source: str) -> str:
    """The syntax tree of a module without docstrings and without the descriptions of configuration keys, as text.

    Example:
        >>> meaning('x: Annotated[int, Key("one")] = 1') == meaning('x: Annotated[int, Key("a unit")] = 1')
        True
        >>> meaning('def f():  # why\\n    "What."\\n    return 1') == meaning("def f():\\n    return  1")
        True
    """
    parts: list[str] = []
    _add(ast.parse(source), parts.append)
    return "".join(parts)


def _add(node: Any, write: Callable[[str], object]) -> None:
    """Write a node of a syntax tree, a list of them, or a value; twice as fast as ``ast.walk`` and ``ast.dump``."""
    kind = type(node)
    if kind is list:
        write("[")
        for each in node:
            _add(each, write)
        write("]")
    elif isinstance(node, ast.AST):
        write(kind.__name__)
        write("(")
        for name in ("func",) if _describes_a_key(node) else kind._fields:
            if name not in _IMPLIED:
                value: Any = getattr(node, name, None)
                _add(value[1:] if name == "body" and _has_docstring(node) else value, write)
        write(")")
    else:
        write(repr(node))
        write(",")


def _describes_a_key(node: ast.AST) -> bool:
    return type(node) is ast.Call and type(node.func) is ast.Name and node.func.id in ("Key", "Option")


def _has_docstring(node: ast.AST) -> bool:
    documented = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None


def run_fingerprint(learner: str, config: Mapping[str, Any], options: Mapping[str, Any], part: str, data: str) -> str:
    """SHA-256 of everything that decides a run's numbers."""
    decisive = {key: value for key, value in config.items() if key not in FREE_KEYS}
    if isinstance(config.get("data"), list | tuple):  # which data set has labels for what
        decisive["sources"] = [list(source["targets"]) for source in config["data"]]
    content = [learner, decisive, dict(options), part, data, code_version(), encoder_version(config.get("encoder"))]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def encoder_version(encoder: str | Mapping[str, Any] | None) -> str | dict[str, str]:
    """What an encoder is made from: packages and a checkpoint, or SHA-256 of the module of a user's encoder.

    Example:
        >>> list(encoder_version({"name": "mlp", "hidden": [64]}))
        ['rtdl_num_embeddings']
    """
    encoder = "mlp" if encoder is None else encoder  # the options of the default stand under another key
    if is_named(encoder):
        return encoder_named(encoder).made_from()
    name = encoder.get("class") if isinstance(encoder, Mapping) else encoder
    found = importlib.util.find_spec(str(name).partition(":")[0])
    if found is None or not found.origin or not Path(found.origin).is_file():
        return ""
    return hashlib.sha256(Path(found.origin).read_bytes()).hexdigest()
