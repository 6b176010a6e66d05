"""A run that is killed at any moment and continued with ``--resume`` ends with the same numbers, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from killable import Uninterrupted, assert_same, finish, start
from small_table import assert_refused, polytask


def kill_after(seconds: float, *arguments: object) -> bool:
    """Start the command and kill it; False if it was done before."""
    process = start(*arguments)
    process.join(seconds)
    if process.exitcode is not None:
        assert process.exitcode == 0
        return False
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    return True


def killed_run(reference: Uninterrupted, out: Path, moments: list[float]) -> int:
    """Kill a run at moments after each start, resume it to the end; gives how often it was killed."""
    command = (*reference.options, "--out", out, "--resume")
    kills = sum(kill_after(moment, *command) for moment in moments)
    assert finish(*command) == 0
    return kills


@pytest.fixture(scope="module")
def duration(uninterrupted: Uninterrupted, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds of the whole command, started as in these tests."""
    started = time.monotonic()
    out = tmp_path_factory.mktemp("duration") / "run"
    assert finish("fit", uninterrupted.data, "--targets", "nothing", "--out", out) == 2  # the first start imports
    started = time.monotonic()
    assert finish(*uninterrupted.options, "--out", out) == 0
    assert_same(out, uninterrupted.outcome)
    return time.monotonic() - started


def kill_at_event(number: int, out: Path, *arguments: object) -> bool:
    """Start the command and kill it once the run has written this many events; False if it was done before."""
    process = start(*arguments)
    log = out / "metrics.jsonl"
    while process.exitcode is None:
        if log.exists() and log.read_bytes().count(b"\n") >= number:
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
            return True
        process.join(0.002)
    return False


@pytest.mark.parametrize("share", [0.1, 0.4, 0.75])
def test_killed_once(uninterrupted: Uninterrupted, tmp_path: Path, share: float) -> None:
    run = tmp_path / "run"
    command = (*uninterrupted.options, "--out", run, "--resume")
    assert kill_at_event(int(share * len(uninterrupted.outcome["events"])), run, *command)
    assert finish(*command) == 0
    assert_same(run, uninterrupted.outcome)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments(uninterrupted: Uninterrupted, duration: float, tmp_path: Path, seed: int) -> None:
    moments = [random.Random(seed).uniform(0, duration) for _ in range(1 + seed)]
    killed_run(uninterrupted, tmp_path / "run", moments)
    assert_same(tmp_path / "run", uninterrupted.outcome)


@pytest.mark.slow
def test_killed_many_times(uninterrupted: Uninterrupted, duration: float, tmp_path: Path) -> None:
    draw = random.Random(0)
    moments = [draw.uniform(0.1, 0.3) * duration for _ in range(7)]
    assert killed_run(uninterrupted, tmp_path / "run", moments) >= 4
    assert_same(tmp_path / "run", uninterrupted.outcome)


@pytest.mark.parametrize("moment", ["nothing there", "an empty folder", "first files incomplete"])
def test_killed_before_there_was_a_run(uninterrupted: Uninterrupted, tmp_path: Path, moment: str) -> None:
    run = tmp_path / "run"
    if moment != "nothing there":
        run.mkdir()
    if moment == "first files incomplete":
        (run / "state.json").write_text('{"fingerprint": "", "phases": {}, "log": null}')
        (run / "metrics.jsonl").write_text('{"event": "sta')
        (run / ".config.yaml.77.tmp").write_text("data:")
    short = [option.replace("steps=10", "steps=2") for option in uninterrupted.options]
    result = polytask(*short, "--no-baselines", "--out", run, "--resume")
    assert result.exit_code == 0, result.output
    assert (run / "results.json").exists()


def test_finished_run_resumes_at_once_with_the_same_result(uninterrupted: Uninterrupted, tmp_path: Path) -> None:
    run = uninterrupted.data.parent / "run"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    result = polytask(*uninterrupted.options, "--out", run, "--resume", "--json")
    assert result.exit_code == 0 and result.stdout == (run / "results.json").read_text()
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_finished_run_that_lacks_its_report_gets_it(uninterrupted: Uninterrupted, tmp_path: Path) -> None:
    run = uninterrupted.data.parent / "run"
    (run / "report.html").unlink()
    assert polytask("fit", "--out", run, "--resume", "--quiet").exit_code == 0
    assert (run / "report.html").exists()
    assert_same(run, uninterrupted.outcome)


@pytest.mark.slow
def test_ctrl_c_exits_with_130_and_leaves_a_resumable_run(uninterrupted: Uninterrupted, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [*uninterrupted.options, "--out", str(run)]
    process = subprocess.Popen(
        [sys.executable, "-m", "polytask", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a script in the background ignores it
    )
    while process.poll() is None and not list(run.glob("trainings/network_0/*.safetensors")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=300)
    assert (process.returncode, out) == (130, "")
    assert error.startswith("interrupted") and "--resume" in error and "Traceback" not in error
    assert_refused(polytask(*command), "this run exists", "--resume")
    assert_refused(polytask("predict", run, uninterrupted.data, "--out", tmp_path / "p.parquet"), "not finished")
    assert polytask(*command, "--resume").exit_code == 0
    assert_same(run, uninterrupted.outcome)


def test_interrupted_run_is_not_continued_with_other_options_or_data(
    uninterrupted: Uninterrupted, tmp_path: Path
) -> None:
    run, data = tmp_path / "run", tmp_path / "table.csv"
    data.write_bytes(uninterrupted.data.read_bytes())
    command = [str(data) if option == str(uninterrupted.data) else option for option in uninterrupted.options]
    assert kill_after_first_training(run, *command, "--out", run)
    assert_refused(polytask(*command, "--out", run, "--resume", "--seed", 1, "--balance", "dwa"),
                   "2 problems", "seed", "balance", "resume with the same options")  # fmt: skip
    data.write_text(data.read_text().replace("green", "yellow"))
    assert_refused(polytask(*command, "--out", run, "--resume"), data.name, "has changed")


def kill_after_first_training(run: Path, *arguments: object) -> bool:
    process = start(*arguments)
    while process.exitcode is None and not list(run.glob("trainings/*/result.safetensors")):
        time.sleep(0.02)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    return not (run / "results.json").exists()
