"""A run in a folder that cannot be written: it can be used, and what wants to write there is refused."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from killable import Uninterrupted
from small_table import assert_refused, polytask


@pytest.fixture
def read_only(uninterrupted: Uninterrupted, tmp_path: Path) -> Iterator[Path]:
    """A read-only file system with a finished run."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("a file system can be mounted by root only")
    shutil.copytree(uninterrupted.data.parent / "run", place / "run")
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_run_is_used_and_not_changed(uninterrupted: Uninterrupted, read_only: Path, tmp_path: Path) -> None:
    run, data = read_only / "run", uninterrupted.data
    assert polytask("predict", run, data, "--out", tmp_path / "p.csv").exit_code == 0
    assert polytask("evaluate", run, data, "--json").exit_code == 0
    assert polytask("doctor", run).exit_code == 0
    assert polytask(*uninterrupted.options, "--out", run, "--resume").exit_code == 0  # it is finished
    refused = polytask("report", run)
    assert_refused(refused, "report.html", "Read-only", "copy the folder")
    assert "--out" not in refused.stderr  # it has no such option
    assert_refused(polytask("predict", run, data, "--out", read_only / "p.csv"), "Read-only", "--out")
    assert_refused(polytask(*uninterrupted.options, "--out", read_only / "new"), "Read-only", "--out")
