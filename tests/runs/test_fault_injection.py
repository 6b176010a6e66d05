"""The small version of ``benchmarks/fault_injection.py``: one run, killed in two of five places."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PLACES = ("affinity", "writing a checkpoint", "filling soft labels", "reading the test split", "removing what is done")
#: The other two are killed in tests of their own: ``jobs`` in test_side_by_side.py, ``compare`` in test_killed.py.
MODES = ("default", "scd", "sequential", "gradnorm", "two processes", "streamed", "tune")


@pytest.mark.slow
def test_a_run_that_is_killed_and_resumed_ends_as_one_left_alone() -> None:
    program = Path(__file__).parents[2] / "benchmarks" / "fault_injection.py"
    command = [sys.executable, str(program), "--kills", "2", "--seed", "1", "--places", *PLACES, "--modes", *MODES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"14 kills of \d+ runs; not equal afterwards: 0", done.stdout), done.stdout
