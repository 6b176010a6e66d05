"""What a wheel holds: everything that the program reads beside its code, and nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import polytask

SOURCE = Path(polytask.__file__).parent
PROJECT = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_file_of_the_package_is_declared() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["polytask"]
    declared = {path for pattern in patterns for path in SOURCE.glob(pattern)}
    found = {path for path in SOURCE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert found == declared
    assert {"py.typed", "__init__.pyi", "page.html", "page.css", "page.js", "digits.yaml"} <= {p.name for p in declared}


def test_every_folder_with_code_is_a_package() -> None:
    assert not [path for path in SOURCE.rglob("*.py") if not (path.parent / "__init__.py").exists()]


def test_version_is_reported_once_and_the_same() -> None:
    citation = (SOURCE.parents[1] / "CITATION.cff").read_text(encoding="utf-8")
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "polytask.__version__"}
    assert f"version: {polytask.__version__}\n" in citation


def test_every_extra_that_is_named_exists() -> None:
    root, extras = SOURCE.parents[1], set(PROJECT["project"]["optional-dependencies"])
    pages = [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").rglob("*.md")]
    named = {
        extra
        for path in [*pages, *SOURCE.rglob("*.py")]
        for group in re.findall(r"(?:polytask|'\.)\[([a-z,]+)\]", path.read_text(encoding="utf-8"))
        for extra in group.split(",")
    }
    required = {
        extra for path in SOURCE.rglob("*.py") for extra in re.findall(r"\brequire\(\"(\w+)\"", path.read_text("utf-8"))
    }
    assert {"tables", "serve", "onnx"} <= named | required <= extras


def test_every_requirement_has_a_constraint() -> None:
    project, lines = PROJECT["project"], (SOURCE.parents[1] / "constraints.txt").read_text(encoding="utf-8")
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {_normal(re.split(r"[^\w.-]", one)[0]) for one in wanted} - {"polytask"}
    assert names <= {_normal(line.split("==")[0]) for line in lines.splitlines() if "==" in line}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
