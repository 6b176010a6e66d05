"""What imports what, and which floor of docs/architecture.md it stands on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

import polytask

SOURCE = Path(polytask.__file__).parent
PAGE = SOURCE.parents[1] / "docs" / "architecture.md"


class Import(NamedTuple):
    """``importer`` needs something of ``imported``: when it is loaded (``top``), in a function, or for types only."""

    importer: str
    imported: str
    when: str


def modules() -> dict[str, Path]:
    """All modules by name; a package by its own."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def classes(path: Path) -> list[str]:
    """Names of the classes of a module."""
    return [
        node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef)
    ]


def room(module: str) -> str:
    """The first name below ``polytask``; empty for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def floors() -> dict[str, int]:
    """Rows of the table in docs/architecture.md by the names in their first column."""
    rows = re.findall(r"^\| (`[^|]*`) \|", PAGE.read_text(encoding="utf-8"), re.M)
    return {name: floor for floor, row in enumerate(rows) for name in re.findall(r"`(\w+)`", row)}


def imports(known: Mapping[str, Path]) -> Iterator[Import]:
    """Every import of one module of the project by another."""
    for module, path in known.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node, when in _walk(ast.parse(path.read_text(encoding="utf-8")), "top"):
            for name in _names(node, package):
                imported = name if name in known else name.rpartition(".")[0]
                if imported in known and imported != module:
                    yield Import(module, imported, when)


def _walk(node: ast.AST, when: str) -> Iterator[tuple[ast.AST, str]]:
    for child in ast.iter_child_nodes(node):
        inner = when
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = "function"
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            inner = "types"
        yield child, inner
        yield from _walk(child, inner)


def _names(node: ast.AST, package: str) -> list[str]:
    """Full names of what a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    return [".".join([*base, *([node.module] if node.module else []), alias.name]) for alias in node.names]


def upward(found: Iterator[Import]) -> dict[Import, None]:
    """Imports from a floor below, which the page does not allow, in order."""
    floor = floors()
    return {
        one: None
        for one in found
        if room(one.importer) in floor
        and room(one.imported) in floor
        and floor[room(one.importer)] < floor[room(one.imported)]
    }


def knots(found: Iterator[Import]) -> list[list[str]]:
    """Modules of which each needs all others, directly or through others, types included; largest first."""
    pairs = sorted({(one.importer, one.imported) for one in found})
    names = sorted({name for pair in pairs for name in pair})
    rows, columns = ([names.index(pair[side]) for pair in pairs] for side in (0, 1))
    graph = csr_array((np.ones(len(pairs)), (rows, columns)), shape=(len(names), len(names)))
    labels = connected_components(graph, connection="strong")[1]
    groups = [[name for name, own in zip(names, labels, strict=True) if own == label] for label in set(labels)]
    return sorted((group for group in groups if len(group) > 1), key=len, reverse=True)


def circle(found: Iterator[Import]) -> list[str]:
    """Modules that cannot be loaded without each other; empty if there are none."""
    graph: dict[str, set[str]] = {}
    for one in found:
        if one.when == "top":
            graph.setdefault(one.importer, set()).add(one.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []
