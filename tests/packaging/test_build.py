"""The wheel and the source archive, built from the working tree and used outside of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import polytask

SOURCE = Path(polytask.__file__).parent
ROOT = SOURCE.parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with both files; built from the archive, as an installer does."""
    pytest.importorskip("build", reason="the package 'build' is not installed")
    pytest.importorskip("setuptools", minversion="77")
    folder, source = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("source")
    for path in ROOT.iterdir():
        if path.name not in ("src", "build", "shared") and not path.name.startswith("."):
            (source / path.name).symlink_to(path)
    shutil.copytree(SOURCE, source / "src" / "polytask", ignore=shutil.ignore_patterns("__pycache__"))  # written beside
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_wheel_runs_without_the_repository(built: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    code = "import polytask; print(polytask.__file__); from polytask.cli import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", code, "--version"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    where, version = shown.stdout.split("\n", 1)
    assert Path(where) == tmp_path / "site" / "polytask" / "__init__.py"
    assert polytask.__version__ in version
    metadata = next((tmp_path / "site").glob("*.dist-info/METADATA")).read_text(encoding="utf-8")
    assert f"Version: {polytask.__version__}\n" in metadata and "Maintainer: " in metadata


def test_the_archive_holds_what_its_tests_need(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    code = {
        path.relative_to(ROOT).as_posix()
        for part in ("src", "tests", "examples")
        for path in ROOT.glob(f"{part}/**/*.py")
    }
    assert code <= names
    assert {"LICENSE", "CHANGELOG.md", "CITATION.cff", "constraints.txt", "mkdocs.yml", "docs/tutorial.md"} <= names
    assert not [name for name in names if name.endswith(".pyc") or "/." in name]
