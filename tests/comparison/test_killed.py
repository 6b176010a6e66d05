"""A comparison that is killed again and again ends with the tables of one that was not."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from polytask.comparison.compare import compare
from polytask.comparison.config import read_comparison
from small_study import study

KILLS = 10
#: One process that has paid the imports; every comparison is a fork of it that gets this many seconds.
SCRIPT = """
import os, sys, time
import optuna, polytask.runs, scipy.special, sklearn.ensemble
from polytask.cli import main
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1), os.dup2(nowhere, 2)
        sys.argv = ["polytask", "compare", sys.argv[1], "--out", sys.argv[2], "--jobs", "0"]
        main()
    end = time.monotonic() + float(line)
    done = 0
    while not done and time.monotonic() < end:
        time.sleep(0.005)
        done, _ = os.waitpid(child, os.WNOHANG)
    if not done:
        os.kill(child, 9)
        os.waitpid(child, 0)
    print("finished" if done else "killed", flush=True)
"""


@pytest.mark.slow
def test_killed_ten_times(tmp_path: Path) -> None:
    path = study(tmp_path, seeds=3)
    config, where = read_comparison(path)
    started = time.monotonic()
    compare(config, tmp_path / "whole", where=where)
    seconds = time.monotonic() - started
    draw = random.Random(0)
    arguments = [sys.executable, "-c", SCRIPT, str(path), str(tmp_path / "killed")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout and server.stdout.readline() == "ready\n"
        kills = 0
        answer = ""
        while answer != "finished\n":
            limit = draw.uniform(0.05, 1.2 * seconds / KILLS) if kills < KILLS else 600.0
            server.stdin.write(f"{limit}\n")
            server.stdin.flush()
            answer = server.stdout.readline()
            assert answer, "the server died"
            kills += answer == "killed\n"
    assert kills == KILLS
    for name in ("methods", "tasks", "tests"):
        ours, theirs = ((tmp_path / folder / "tables" / f"{name}.csv").read_text() for folder in ("killed", "whole"))
        assert without_seconds(ours) == without_seconds(theirs)


def without_seconds(text: str) -> list[list[str]]:
    rows = [line.split(",") for line in text.splitlines()]
    timed = {place for place, name in enumerate(rows[0]) if "seconds" in name}
    return [[cell for place, cell in enumerate(row) if place not in timed] for row in rows]
