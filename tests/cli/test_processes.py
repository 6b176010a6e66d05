"""``--devices``, torchrun, and a worker that dies: several processes do what one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from small_table import TARGETS, table_rows, write_table

pytestmark = pytest.mark.slow
SETTINGS = ("threads=1", "steps=24", "batch_size=32", "optimizer=sgd", "ema=null", "model.hidden=[16,8]",
            "model.dropout=0", "affinity.estimator=lookahead", "checkpoint_seconds=0")  # fmt: skip
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(data: Path, out: Path, *options: str) -> list[str]:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    return ["fit", str(data), "--targets", ",".join(TARGETS), "--id", "key", "--out", str(out), *settings, *options]


def run(*arguments: str, module: tuple[str, ...] = ("polytask",)) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *module, *arguments], capture_output=True, text=True, timeout=480, env=ENVIRONMENT
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("data") / "table.csv", table_rows())


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    result = run(*command(data, out, "--networks", "2", "--no-baselines"))
    assert result.returncode == 0, result.stderr
    return out


def assert_equal(out: Path, alone: Path) -> None:
    found, expected = (json.loads((path / "results.json").read_text())["tasks"] for path in (out, alone))
    for task, values in expected.items():
        for key in ("validation", "test", "peak"):
            np.testing.assert_allclose(found[task][key], values[key], rtol=1e-3, atol=1e-4)
    affinities = [np.array(json.loads((path / "affinity.json").read_text())["affinity"]) for path in (out, alone)]
    np.testing.assert_allclose(*affinities, rtol=1e-2, atol=1e-6)
    assert (out / "report.html").exists() and not (out / "trainings").exists()


def test_two_processes_of_the_command_equal_one(data: Path, alone: Path, tmp_path: Path) -> None:
    result = run(*command(data, tmp_path / "run", "--networks", "2", "--no-baselines", "--devices", "2"))
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("targets:") == 1  # one process speaks
    assert_equal(tmp_path / "run", alone)


def test_a_mistake_is_said_once(data: Path, tmp_path: Path) -> None:
    result = run(*command(data, tmp_path / "run", "--devices", "2", "--ignore", "nothing"))
    assert result.returncode == 2
    assert result.stderr.count("error:") == 1 and "nothing" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_strategy_that_cannot_work_is_refused(data: Path, tmp_path: Path) -> None:
    result = run(*command(data, tmp_path / "run", "--devices", "2", "--strategy", "fsdp"))
    assert result.returncode == 2 and "no process has whole parameters" in result.stderr


def test_torchrun_continues_when_a_worker_dies(data: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = command(data, out, "--networks", "2", "--no-baselines", "--resume")
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=2", "-m", "polytask"]
    process = subprocess.Popen(
        [sys.executable, "-m", *torchrun, *arguments], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    until = time.monotonic() + 120
    while not list(out.glob("trainings/*/checkpoint-[1-9]*")) and time.monotonic() < until:
        time.sleep(0.02)
    workers = subprocess.run(["pgrep", "-f", f"polytask fit .*{out}"], capture_output=True, text=True).stdout.split()
    worker = max(int(pid) for pid in workers if int(pid) != process.pid)
    os.kill(worker, signal.SIGKILL)
    _, errors = process.communicate(timeout=480)
    assert process.returncode == 0, errors[-3000:]
    assert errors.count("targets:") == 2  # it began, and began again
    assert "failed to connect" not in errors  # nobody looked for the dead one
    assert_equal(out, alone)
