"""Kill a run (SIGKILL) at random moments of all its phases, resume it to the end, and compare it with one left alone.

python benchmarks/fault_injection.py --kills 12                 # of each mode
python benchmarks/fault_injection.py --kills 50 --modes default

A kill is a place (a function of the program, or the command as a whole), one of the calls of it, and a random moment of
that call: in processor time from its beginning, so that the load of the machine does not matter, at the latest when it
ends. A run is killed and resumed until it is done: then numbers, events, affinity, networks (bit for bit) and the names
of all files have to be those of the run that was left alone, and no attempt may have shown a traceback. Every attempt
is forked from this process, which has imported everything and computed nothing. Of two processes one is killed; the
other has to end by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import yaml
from sklearn.datasets import load_wine

from polytask.cli import app
from polytask.comparison.fingerprint import code_version

#: Where runs are killed: what it is called, and the function. In the order of a run, but for those of all trainings.
PLACES = {
    "reading the data": "polytask.runs.fresh:prepare",
    "first files": "polytask.records.folder:RunFolder.create",
    "training": "polytask.training.loop:Training._one_step",
    "affinity": "polytask.training.callbacks.affinity:AffinityProbe.before_step",
    "evaluation": "polytask.training.loop:Training._evaluate",
    "writing a checkpoint": "polytask.training.checkpoints:Checkpoints._write",
    "end of a training": "polytask.training.fit:_store",
    "note of a finished training": "polytask.records.folder:write_json",
    "single-task models (teachers)": "polytask.runs.fresh:train_single",
    "choice of networks": "polytask.runs.fresh:plan_networks",
    "distillation": "polytask.training.callbacks.distilling:Distilling.extra_loss",
    "filling soft labels": "polytask.training.callbacks.converging:Converging.switch",
    "reading the test split": "polytask.runs.trainer:Trainer.measured",
    "writing a network": "polytask.runs.outcome:save_network",
    "writing the results": "polytask.runs.outcome:totals_of",
    "report": "polytask.runs.resumed:write_report",
    "removing what is done": "polytask.runs.resumed:shutil.rmtree",
}
#: The command as a whole.
COMMAND = "anywhere"
#: Seconds that the other process has to end by itself.
PATIENCE = 20.0
#: Seconds of processor time that runs may spend on imports where the times of calls are measured.
SHORT = 0.2
#: What most runs import, so that it need not be found out by one that is left alone and not used.
LIBRARIES = (
    "polytask.runs.fresh", "polytask.runs.pipeline", "polytask.runs.adding.add", "sklearn.linear_model",
    "torch.fx.experimental.symbolic_shapes", "rtdl_num_embeddings", "torch.distributed.fsdp", "lightning_fabric",
    "polytask.comparison.tune", "optuna.storages", "alembic.command", "scipy.cluster.hierarchy",
)  # fmt: skip
#: Parts of keys whose values no two runs have in common.
OF_THE_MACHINE = ("seconds", "time", "memory")
ANYWHERE = ("training", "evaluation", "writing a checkpoint", "end of a training", "note of a finished training")
OPTIONS = {
    "threads": 1, "steps": 12, "batch_size": 32, "evaluate_every": 2, "checkpoint_seconds": 0,
    "model": {"hidden": [16, 8], "numbers": "linear"}, "networks": 2, "distill": "mtlkd",
    "convergence": {"test": "fixed", "fixed_step": 6, "min_evaluations": 0, "tail": 2},
    "affinity": {"estimator": "lookahead", "every": 2},
}  # fmt: skip


@dataclass(frozen=True)
class Mode:
    """A way of training that is killed: keys of ``fit`` besides ``OPTIONS``, or a file of another command.

    Attributes:
        changes: Keys of ``fit``.
        command: The command and what it is called with besides its file and ``--out``.
        around: Keys of the file of ``tune`` or ``compare``, whose ``base`` the keys of ``fit`` are.
        processes: That train together.
        table: The ending of the table's name.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ("fit", "--resume", "--quiet")
    around: Mapping[str, Any] = field(default_factory=dict)
    processes: int = 1
    table: str = "csv"


#: For searches and comparisons: one small network.
PLAIN = {"networks": 1, "distill": False, "affinity": {}, "convergence": {}, "steps": 6, "evaluate_every": 3}
MODES = {
    "default": Mode(),
    "scd": Mode({"distill": "scd", "networks": 1, "affinity": {}}),
    "sequential": Mode({"converge": "sequential", "networks": 1, "distill": False, "convergence": {}, "affinity": {}}),
    "gradnorm": Mode({"balance": "gradnorm", "distill": False}),
    "two processes": Mode({"distill": False}, processes=2),
    "jobs": Mode({"jobs": 2, "networks": "auto"}),
    "streamed": Mode({"stream": True, "distill": False}, table="parquet"),
    "tune": Mode(PLAIN, ("tune", "--jobs", "0", "--quiet"), {"trials": 3}),
    "compare": Mode(PLAIN, ("compare", "--jobs", "0", "--quiet"), {
        "methods": {"dwa": {"balance": "dwa"}}, "seeds": 2, "trials": 2,
        "baselines": {"trees": False, "single_task": False},
    }),
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """In the ``call``-th call of a place, and seconds of processor time after its beginning; in one process."""

    place: str
    call: int
    after: float
    process: int = 0


@dataclass(frozen=True)
class Whole:
    """A run that was left alone: its mode, file, outcome, and per place the calls and mean seconds of one."""

    mode: Mode
    file: Path
    outcome: dict[str, Any]
    calls: dict[str, int]
    seconds: dict[str, float]


def write_study(folder: Path, mode: Mode) -> Path:
    """The file of a mode and its table: scikit-learn's wines, with targets of all kinds and missing labels."""
    wine, draw = load_wine(), random.Random(0)
    inputs = [name for name in wine.feature_names if name not in ("alcohol", "flavanoids")]
    with (folder / "wine.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", *inputs, "sort", "strong", "flavanoids"])
        for key, (values, sort) in enumerate(zip(wine.data, wine.target, strict=True)):
            row = dict(zip(wine.feature_names, values.tolist(), strict=True))
            flavanoids = row["flavanoids"] if draw.random() > 0.2 else ""
            writer.writerow([key, *(row[name] for name in inputs), sort, int(row["alcohol"] > 13), flavanoids])
    if mode.table == "parquet":
        table = pyarrow.csv.read_csv(folder / "wine.csv")
        pyarrow.parquet.write_table(table, folder / "wine.parquet", row_group_size=40)
    data = {"data": f"wine.{mode.table}", "id": "key", "targets": ["sort", "strong", "flavanoids", "hue"]}
    keys = {**data, **OPTIONS, **mode.changes}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({"base": keys, **mode.around} if mode.around else keys))
    return path


def attempt(mode: Mode, file: Path, run: Path, watch: Callable[[int], None] = lambda process: None) -> list[int]:
    """The command of a mode in forked processes; gives their exit statuses, -9 of one that was killed."""
    command, *options = mode.command
    arguments = [command, str(file), "--out", str(run), *options]
    port = _free_port() if mode.processes > 1 else 0
    children = [_forked(arguments, number, mode.processes, port, run, watch) for number in range(mode.processes)]
    return [os.waitstatus_to_exitcode(status) for status in _ended(children)]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _forked(
    arguments: list[str], number: int, count: int, port: int, run: Path, watch: Callable[[int], None]
) -> int:  # fmt: skip
    """The command in a forked process, one of ``count`` that meet as torchrun's do."""
    child = os.fork()
    if child:
        return child
    log = os.open(run.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    status = 1
    if count > 1:
        meeting = {"RANK": number, "LOCAL_RANK": number, "GROUP_RANK": 0, "WORLD_SIZE": count, "MASTER_PORT": port,
                   "LOCAL_WORLD_SIZE": count, "GROUP_WORLD_SIZE": 1, "TORCHELASTIC_RUN_ID": "faults"}  # fmt: skip
        os.environ.update({name: str(value) for name, value in meeting.items()}, MASTER_ADDR="127.0.0.1")
    try:
        watch(number)
        app(arguments)
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _ended(children: list[int]) -> list[int]:
    """Statuses of processes; like torchrun, end the others some time after one has failed."""
    statuses: dict[int, int] = {}
    deadline = float("inf")
    while len(statuses) < len(children):
        for child in set(children) - set(statuses):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                statuses[child] = status
                deadline = min(deadline, time.monotonic() + PATIENCE) if status else deadline
            elif time.monotonic() > deadline:
                os.kill(child, signal.SIGTERM if time.monotonic() < deadline + PATIENCE else signal.SIGKILL)
        time.sleep(0.02)
    return [statuses[child] for child in children]


def wrap(place: str, around: Callable[[Callable[[], Any]], Any]) -> None:
    """From now on every call of a place goes through ``around``."""
    module, _, path = PLACES[place].partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    bound = isinstance(vars(owner)[name], classmethod)
    inner = getattr(owner, name)

    def outer(*args: Any, **kwargs: Any) -> Any:
        return around(lambda: inner(*(args[1:] if bound else args), **kwargs))

    setattr(owner, name, classmethod(outer) if bound else outer)


def leave_alone(folder: Path, mode: Mode) -> Whole:
    """The run to compare with, whose calls are counted; again if a call has imported something, so that none does."""
    file = write_study(folder, mode)
    calls, seconds, modules = _watched(mode, file, folder / "alone")
    if _imported(modules):
        shutil.rmtree(folder / "alone")
        calls, seconds, _ = _watched(mode, file, folder / "alone")
    return Whole(
        mode, file, outcome(folder / "alone"), calls, {place: seconds[place] / calls[place] for place in calls}
    )


def _imported(modules: Iterable[str]) -> bool:
    """Import modules; False if all that take time were there."""
    before = time.process_time()
    for module in modules:
        with contextlib.suppress(ImportError):  # torch makes one that has no file
            importlib.import_module(module)
    return time.process_time() - before > SHORT


def _watched(mode: Mode, file: Path, run: Path) -> tuple[dict[str, int], dict[str, float], list[str]]:
    """A run that is left alone: per place its calls and their seconds of processor time, and all modules at the end."""
    found = run.with_suffix(".json")

    def watch(process: int) -> None:
        calls: Counter[str] = Counter()
        seconds: Counter[str] = Counter()
        begun = time.process_time()

        def counted(place: str) -> Callable[[Callable[[], Any]], Any]:
            def around(call: Callable[[], Any]) -> Any:
                started = time.process_time()
                result = call()
                calls[place] += 1
                seconds[place] += time.process_time() - started
                calls[COMMAND], seconds[COMMAND] = 1, time.process_time() - begun
                found.write_text(json.dumps([calls, seconds, sorted(sys.modules)]))
                return result

            return around

        for place in PLACES if process == 0 else ():
            wrap(place, counted(place))

    statuses = attempt(mode, file, run, watch)
    if any(statuses):
        raise SystemExit(f"the run that is left alone ended with {statuses}:\n{run.with_suffix('.log').read_text()}")
    calls, seconds, modules = json.loads(found.read_text())
    return calls, seconds, modules


def kill(whole: Whole, run: Path, fault: Fault) -> list[int]:
    """An attempt with a fault; gives the exit statuses."""

    def watch(process: int) -> None:
        left = fault.call

        def around(call: Callable[[], Any]) -> Any:
            nonlocal left
            left -= 1
            if left:
                return call()
            signal.setitimer(signal.ITIMER_PROF, fault.after)
            call()
            return end()

        def end(*_: Any) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        if process != fault.process:
            return
        signal.signal(signal.SIGPROF, end)
        if fault.place == COMMAND:
            signal.setitimer(signal.ITIMER_PROF, fault.after)
        else:
            wrap(fault.place, around)

    return attempt(whole.mode, whole.file, run, watch)


def outcome(run: Path) -> dict[str, Any]:
    """Everything of a run that has to be equal: all but times and what was measured of the machine."""
    found = {"results": _timeless(json.loads((run / "results.json").read_text()))}
    found["files"] = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.suffix != ".txt")
    if (run / "metrics.jsonl").exists():
        found["events"] = [_timeless(json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()]
    same = ("config.yaml", "schema.json", "split.parquet", "affinity.json", "selection.json", "best.yaml")
    kept = [run / name for name in same if (run / name).exists()] + sorted(run.glob("networks/*/*"))
    return found | {str(path.relative_to(run)): path.read_bytes() for path in kept}


def _timeless(node: Any) -> Any:
    """JSON without what no two runs have in common."""
    if isinstance(node, list):
        return [_timeless(value) for value in node]
    if not isinstance(node, dict):
        return node
    return {key: _timeless(value) for key, value in node.items() if not any(word in key for word in OF_THE_MACHINE)}


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Names of what is not equal."""
    return [key for key in sorted(expected.keys() | found.keys()) if found.get(key) != expected.get(key)]


def random_fault(whole: Whole, place: str, draw: random.Random) -> Fault:
    """Among the first calls, so that the run is killed again and again on its way."""
    call = draw.randint(1, max(1, whole.calls[place] // 15))
    after = max(1e-6, draw.uniform(0, 1) * whole.seconds[place])
    return Fault(place, call, after, draw.randrange(whole.mode.processes))


def plan(draw: random.Random, wanted: Iterable[str] = PLACES) -> list[str]:
    """Places, in an order in which one run can be killed in each of them; and twice anywhere."""
    places = [place for place in PLACES if place not in ANYWHERE]
    for place in ANYWHERE:
        early = places.index("affinity") + 1, places.index("single-task models (teachers)")
        late = places.index("choice of networks") + 1, places.index("filling soft labels")
        places.insert(draw.randint(*draw.choice([early, late])), place)
    for _ in range(2):
        places.insert(draw.randint(0, len(places)), COMMAND)
    return [place for place in places if place in wanted]


def inject(whole: Whole, run: Path, faults: Iterable[Fault]) -> tuple[list[Fault], list[str]]:
    """Kill a run by the faults, resume it to the end; gives the faults that hit, and what is wrong afterwards."""
    hit: list[Fault] = []
    for fault in faults:
        statuses = kill(whole, run, fault)
        if not any(statuses):
            break
        if statuses[fault.process] != -signal.SIGKILL:
            return hit, [f"exit statuses {statuses} before {fault}"]
        hit.append(fault)
    statuses = attempt(whole.mode, whole.file, run)
    log = run.with_suffix(".log").read_text(errors="replace")
    if any(statuses):
        return hit, [f"exit statuses {statuses}: {log[-2000:]}"]
    return hit, differences(outcome(run), whole.outcome) + (["traceback"] if "Traceback" in log else [])


def try_mode(name: str, folder: Path, kills: int, seed: int, wanted: Iterable[str]) -> tuple[Counter[str], int, int]:
    """Kill runs of a mode; gives the kills per place, the runs, and those that are not equal afterwards."""
    draw, hits, runs, wrong = random.Random(f"{name} {seed}"), Counter[str](), 0, 0
    folder.mkdir()
    whole = leave_alone(folder, MODES[name])
    wanted = [place for place in wanted if place in whole.calls]
    while sum(hits.values()) < kills:
        run, places = folder / f"run{runs}", plan(draw, wanted)[: kills - sum(hits.values())]
        hit, problems = inject(whole, run, [random_fault(whole, place, draw) for place in places])
        hits.update(fault.place for fault in hit)
        runs, wrong = runs + 1, wrong + bool(problems)
        print(f"{name}, run {runs}: killed {len(hit)} times, {'; '.join(problems) or 'equal'}", flush=True)
        if not problems:
            shutil.rmtree(run)
    return hits, runs, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=12, help="of each mode")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES), metavar="MODE")
    every = [*PLACES, COMMAND]
    parser.add_argument("--places", nargs="+", choices=every, default=every, metavar="PLACE")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    _imported(LIBRARIES)
    code_version()  # is asked for by every search and comparison, and kept
    table, hits, runs, wrong = ["", "| mode | runs | kills | not equal |", "|---|---:|---:|---:|"], Counter[str](), 0, 0
    for name in arguments.modes:
        place = folder / name.replace(" ", "_")
        found = try_mode(name, place, arguments.kills, arguments.seed, arguments.places)
        table.append(f"| {name} | {found[1]} | {sum(found[0].values())} | {found[2]} |")
        hits, runs, wrong = hits + found[0], runs + found[1], wrong + found[2]
    table += ["", "| killed in | times |", "|---|---:|", *(f"| {place} | {hits[place]} |" for place in every)]
    print("\n".join(table))
    print(f"\n{sum(hits.values())} kills of {runs} runs; not equal afterwards: {wrong}")
    if wrong:
        raise SystemExit(f"see {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
