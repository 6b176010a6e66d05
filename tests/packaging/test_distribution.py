"""What a wheel holds: everything that the program reads beside its code, and nothing else."""

from __future__ import annotations

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


def test_version_is_said_once_and_the_same() -> None:
    citation = (SOURCE.parents[1] / "CITATION.cff").read_text(encoding="utf-8")
    assert PROJECT["project"]["version"] == polytask.__version__
    assert f"version: {polytask.__version__}\n" in citation
