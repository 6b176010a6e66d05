"""Processes are started only where they find the files that they need."""

from __future__ import annotations

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource")

SCRIPT = """
import resource, sys
from polytask.processes.open_files import reserve_files
soft, hard, jobs = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    reserve_files(jobs)
except OSError as error:
    print(error.strerror)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "jobs", "said"),
    [(256, 256, 2, "256"), (17, 17, 2, "Too many open files\n17"), (60, 60, 16, "Too many open files\n60")],
)
def test_processes_that_would_find_no_file_are_not_started(soft: int, hard: int, jobs: int, said: str) -> None:
    assert _tried(soft, hard, jobs) == said


def test_the_own_limit_is_raised_as_far_as_the_system_allows() -> None:
    assert 32 <= int(_tried(17, 256, 2)) <= 64


def _tried(soft: int, hard: int, jobs: int) -> str:
    called = [sys.executable, "-c", SCRIPT, str(soft), str(hard), str(jobs)]
    return subprocess.run(called, capture_output=True, text=True, check=True).stdout.strip()
