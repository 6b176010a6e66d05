"""docs/architecture.md is true: its order of rooms holds, and references in docstrings lead somewhere."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from typing import Any

import pytest

from layering import PAGE, SOURCE, circle, classes, floors, imports, knots, modules, room, upward

KNOWN_MODULES = modules()
#: Imports against the order that are there, by room; none may be added, and one that is mended goes.
KNOWN_UPWARD = {
    ("polytask.config.grouping", "grouping"),  # checks that need what they check, in functions: a key costs no PyTorch
    ("polytask.config.learning", "balancing"),
    ("polytask.config.learning", "training"),
}
#: Classes of one name: the callback is called alike in both frameworks, so that their guides read alike.
KNOWN_TWICE = {"ConvergenceCallback"}
#: The package itself and the module that ``python -m`` runs.
NO_ROOM = {"", "__main__"}
REFERENCE = re.compile(r":(?:class|func|mod|data|meth|attr|exc):`~?([\w.]+)`")


def test_every_room_stands_in_the_table() -> None:
    rooms = {room(module) for module in KNOWN_MODULES} - NO_ROOM
    assert rooms == set(floors())


def test_things_at_the_top_know_nothing_of_those_below() -> None:
    assert {(one.importer, room(one.imported)) for one in upward(imports(KNOWN_MODULES))} == KNOWN_UPWARD


def test_signposts_lead_to_what_they_name() -> None:
    """Places in the table of what to add: files are there, and hold the names that stand before them."""
    rows = PAGE.read_text(encoding="utf-8").partition("## Where to add something")[2].partition("\n## ")[0]
    rows = rows.partition("|---|")[2]
    places = re.findall(r"`([a-z_]+/[\w/.]*)`", rows)
    assert len(places) > 30 and [place for place in places if not (SOURCE / place).exists()] == []
    signs = re.findall(r"((?:`\w+`(?:, )?)+) in `([\w/.]+)`", rows)
    named = [
        (name, (SOURCE / place).read_text("utf-8")) for names, place in signs for name in re.findall(r"\w+", names)
    ]
    wrong = [name for name, text in named if not re.search(rf"^((class|def) {name}\b|{name}\b.*=)", text, re.M)]
    assert len(named) > 12 and wrong == []


def test_the_way_of_a_run_names_modules() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("\n## A run\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+)`", text)) - {"auto"}
    assert len(named) > 10 and named <= {path.stem for path in (SOURCE / "runs").rglob("*.py")} | set(floors())


def test_no_module_needs_itself() -> None:
    """An import of the package by its own modules is one: all names of ``polytask`` load on demand."""
    assert circle(one for one in imports(KNOWN_MODULES) if one.imported != "polytask") == []


def test_knots_of_types_are_small() -> None:
    """Sections of a configuration name the whole of it, the loop names its parts; nothing else is as large."""
    sizes = [len(knot) for knot in knots(one for one in imports(KNOWN_MODULES) if one.imported != "polytask")]
    assert sizes[0] <= 9 and sizes[1] <= 7 and all(size <= 5 for size in sizes[2:])


def test_a_name_of_a_class_is_one_class() -> None:
    count = Counter(name for path in KNOWN_MODULES.values() for name in classes(path))
    assert {name for name, number in count.items() if number > 1} == KNOWN_TWICE


@pytest.mark.parametrize("name", sorted(name for name in {room(module) for module in KNOWN_MODULES} if name))
def test_references_in_docstrings_lead_somewhere(name: str) -> None:
    wrong = []
    for module, path in KNOWN_MODULES.items():
        if room(module) != name:
            continue
        text = path.read_text(encoding="utf-8")
        for match in REFERENCE.finditer(text):
            if not _leads_somewhere(match[1], module):
                line = text[: match.start()].count("\n") + 1
                wrong.append(f"{path.name}:{line}: {match[0]}")
    assert wrong == []


def _leads_somewhere(target: str, module: str) -> bool:
    """Whether a reference is the full name of something, or that of something in its module or one of its classes."""
    if "." in target and target.split(".")[0] in ("polytask", "torch", "transformers", "pathlib"):
        return _exists(target)
    here = importlib.import_module(module)
    classes = [value for value in vars(here).values() if isinstance(value, type)]
    return any(_has(owner, target.split(".")) for owner in (here, *classes))


def _exists(target: str) -> bool:
    parts = target.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        return _has(found, parts[end:])
    return False


def _has(owner: Any, names: list[str]) -> bool:
    """Attributes of attributes; of a class also those that only its instances have."""
    for place, name in enumerate(names):
        declared = {key for kind in getattr(owner, "__mro__", ()) for key in getattr(kind, "__annotations__", {})}
        if name in declared and place == len(names) - 1:
            return True
        if isinstance(owner, type) and not hasattr(owner, name):
            return bool(re.search(rf"\bself\.{name}\b", _source(owner)))
        if not hasattr(owner, name):
            return False
        owner = getattr(owner, name)
    return True


def _source(owner: type) -> str:
    path = KNOWN_MODULES.get(owner.__module__)
    return path.read_text(encoding="utf-8") if path else ""
