"""``--devices``, torchrun, srun, and a worker that dies: several processes do what one does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hosts import start_command
from small_table import TARGETS, polytask, table_rows, write_table

pytestmark = pytest.mark.slow
SETTINGS = ("threads=1", "steps=24", "batch_size=32", "evaluate_every=4", "optimizer=sgd", "ema=null",
            "column_kind={note: text}", "model.hidden=[16,8]", "model.dropout=0", "affinity.estimator=lookahead",
            "checkpoint_seconds=0")  # fmt: skip
ONE_NETWORK = ("--networks", "1", "--no-baselines", "--balance", "uw")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(data: Path, out: Path, *options: str) -> list[str]:
    alone = options[:2] == ("--networks", "1")  # no network is chosen by affinity, whose options are refused then
    chosen = [setting for setting in SETTINGS if not (alone and setting.startswith("affinity"))]
    settings = [part for setting in chosen for part in ("--set", setting)]
    return ["fit", str(data), "--targets", ",".join(TARGETS), "--id", "key", "--out", str(out), *settings, *options]


def run(folder: Path, *arguments: str) -> tuple[int | None, str]:
    """The exit status of the command in a process of its own, and its standard error."""
    process = start_command(arguments, {"OMP_NUM_THREADS": "1"}, errors := folder / "errors.txt")
    process.join(480)
    process.kill()
    return process.exitcode, errors.read_text()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("data") / "table.csv", table_rows())


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    result = polytask(*command(data, out, "--networks", "2", "--no-baselines"))
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def one_alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process that trains one network."""
    out = tmp_path_factory.mktemp("one_alone") / "run"
    result = polytask(*command(data, out, *ONE_NETWORK))
    assert result.exit_code == 0, result.output
    return out


def assert_equal(out: Path, alone: Path) -> None:
    found, expected = (json.loads((path / "results.json").read_text())["tasks"] for path in (out, alone))
    for task, values in expected.items():
        for key in ("validation", "test", "peak"):
            np.testing.assert_allclose(found[task][key], values[key], rtol=1e-3, atol=1e-4)
    assert (out / "report.html").exists() and not (out / "trainings").exists()
    if not (alone / "affinity.json").exists():
        return
    affinities = [np.array(json.loads((path / "affinity.json").read_text())["affinity"]) for path in (out, alone)]
    np.testing.assert_allclose(*affinities, rtol=1e-2, atol=1e-6)


def test_two_processes_of_the_command_equal_one(data: Path, alone: Path, tmp_path: Path) -> None:
    options = ("--networks", "2", "--no-baselines", "--devices", "2")
    status, errors = run(tmp_path, *command(data, tmp_path / "run", *options))
    assert status == 0, errors
    assert errors.count("targets:") == 1  # one process speaks
    assert_equal(tmp_path / "run", alone)


def test_a_mistake_is_reported_once(data: Path, tmp_path: Path) -> None:
    status, errors = run(tmp_path, *command(data, tmp_path / "run", "--devices", "2", "--ignore", "nothing"))
    assert status == 2
    assert errors.count("error:") == 1 and "nothing" in errors
    assert not (tmp_path / "run").exists()


def test_a_strategy_that_cannot_work_is_refused(data: Path, tmp_path: Path) -> None:
    result = polytask(*command(data, tmp_path / "run", "--devices", "2", "--strategy", "fsdp", "--balance", "upgrad"))
    assert result.exit_code == 2 and result.stderr.count("fsdp has no gradients per task") == 2  # networks, balance


def test_fsdp_of_the_command_equals_one(data: Path, one_alone: Path, tmp_path: Path) -> None:
    options = (*ONE_NETWORK, "--devices", "2", "--strategy", "fsdp")
    status, errors = run(tmp_path, *command(data, tmp_path / "run", *options))
    assert status == 0, errors
    assert_equal(tmp_path / "run", one_alone)


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """Names of two hosts: network namespaces of this machine that share nothing but a cable."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need `ip` and root")
    names = [f"polytask{os.getpid()}{letter}" for letter in "ab"]
    cable = [f"pt{os.getpid()}{letter}" for letter in "ab"]
    try:
        for name in names:
            if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
                pytest.skip("network namespaces are not permitted here")
        _ip("link", "add", cable[0], "type", "veth", "peer", "name", cable[1])
        for number, (name, end) in enumerate(zip(names, cable, strict=True), 1):
            _ip("link", "set", end, "netns", name, "name", "eth0")
            _ip("-n", name, "address", "add", f"10.77.0.{number}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", name, "link", "set", device, "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("starter", ["polytask", "srun"])
def test_two_hosts_equal_one(hosts: list[str], data: Path, one_alone: Path, tmp_path: Path, starter: str) -> None:
    options = ("--nodes", "2", "--devices", "1") if starter == "polytask" else ()
    arguments, started = command(data, tmp_path / "run", *ONE_NETWORK, *options), []
    for number, host in enumerate(hosts):
        if starter == "polytask":
            environment = {"NODE_RANK": str(number), "MASTER_ADDR": "10.77.0.1", "MASTER_PORT": "29511"}
        else:
            own = {"PROCID": number, "NODEID": number, "LOCALID": 0, "JOB_ID": 9, "STEP_ID": 0, "STEP_NUM_TASKS": 2}
            own |= {"STEP_NUM_NODES": 2, "STEP_TASKS_PER_NODE": "1(x2)", "STEP_NODELIST": "10.77.0.1,10.77.0.2"}
            environment = {f"SLURM_{name}": str(value) for name, value in own.items()}
        environment["GLOO_SOCKET_IFNAME"] = "eth0"
        errors = tmp_path / f"errors{number}.txt"
        started.append((start_command(arguments, environment, errors, host), errors))
    for process, _ in started:
        process.join(400)
        process.kill()
    found = [(process.exitcode, errors.read_text()) for process, errors in started]
    assert [status for status, _ in found] == [0, 0], found
    assert_equal(tmp_path / "run", one_alone)


def test_two_hosts_of_torchrun_equal_one(hosts: list[str], data: Path, one_alone: Path, tmp_path: Path) -> None:
    out, started = tmp_path / "run", []
    for number, host in enumerate(hosts):
        torchrun = ["torch.distributed.run", "--nnodes=2", f"--node-rank={number}", "--nproc-per-node=1",
                    "--master-addr=10.77.0.1", "--master-port=29511", "-m", "polytask"]  # fmt: skip
        line = ["ip", "netns", "exec", host, sys.executable, "-m", *torchrun, *command(data, out, *ONE_NETWORK)]
        environment = {**ENVIRONMENT, "GLOO_SOCKET_IFNAME": "eth0"}
        started.append(subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment))
    errors = [process.communicate(timeout=400)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], errors
    assert_equal(out, one_alone)


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
