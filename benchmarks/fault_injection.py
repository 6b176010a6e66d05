"""Kill a run (SIGKILL) at random moments of all its phases, resume it to the end, and compare it with one left alone.

python benchmarks/fault_injection.py --kills 100

A kill is a place (a function of the program), one of the calls of it, and a random moment of that call: in processor
time from its beginning, so that the load of the machine does not matter, at the latest when it ends. A run is killed
and resumed until it is done: then numbers, events, affinity, networks (bit for bit) and the names of all files have to
be those of the run that was left alone. Every attempt is forked from this process, which has imported everything and
computed nothing.
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
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sklearn.datasets import load_wine

from polytask.cli import app

#: Where runs are killed: what it is called, and the function. In the order of a run, but for those of all trainings.
PLACES = {
    "reading the data": "polytask.runs.pipeline:prepare",
    "first files": "polytask.runs.folder:RunFolder.create",
    "training": "polytask.training.loop:Training._one_step",
    "affinity": "polytask.training.callbacks.affinity:AffinityProbe.before_step",
    "evaluation": "polytask.training.loop:Training._evaluate",
    "writing a checkpoint": "polytask.training.checkpoints:Checkpoints._write",
    "end of a training": "polytask.training.fit:_store",
    "note of a finished training": "polytask.runs.folder:write_json",
    "single-task models (teachers)": "polytask.runs.pipeline:train_single",
    "choice of networks": "polytask.runs.pipeline:plan_networks",
    "distillation": "polytask.training.callbacks.distilling:Distilling.extra_loss",
    "filling soft labels": "polytask.training.callbacks.converging:Converging.switch",
    "reading the test split": "polytask.runs.trainer:Trainer.test",
    "writing a network": "polytask.runs.pipeline:save_network",
    "writing the results": "polytask.runs.pipeline:totals_of",
    "report": "polytask.runs.resumed:write_report",
    "removing what is done": "polytask.runs.resumed:shutil.rmtree",
}
ANYWHERE = ("training", "evaluation", "writing a checkpoint", "end of a training", "note of a finished training")
OPTIONS = {
    "threads": 1, "steps": 12, "batch_size": 32, "evaluate_every": 2, "checkpoint_seconds": 0,
    "model": {"hidden": [16, 8], "numbers": "linear"}, "networks": 2, "distill": "mtlkd",
    "convergence": {"test": "fixed", "fixed_step": 6, "min_evaluations": 0, "tail": 2},
    "affinity": {"estimator": "lookahead", "every": 2},
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """In the ``call``-th call of a place, and seconds of processor time after its beginning."""

    place: str
    call: int
    after: float


@dataclass(frozen=True)
class Whole:
    """A run that was left alone: its configuration, outcome, and per place the calls and mean seconds of one."""

    config: Path
    outcome: dict[str, Any]
    calls: dict[str, int]
    seconds: dict[str, float]


def write_study(folder: Path) -> Path:
    """A configuration and its table: scikit-learn's wines, with targets of all kinds and missing labels."""
    wine, draw = load_wine(), random.Random(0)
    inputs = [name for name in wine.feature_names if name not in ("alcohol", "flavanoids")]
    with (folder / "wine.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", *inputs, "sort", "strong", "flavanoids"])
        for key, (values, sort) in enumerate(zip(wine.data, wine.target, strict=True)):
            row = dict(zip(wine.feature_names, values.tolist(), strict=True))
            flavanoids = row["flavanoids"] if draw.random() > 0.2 else ""
            writer.writerow([key, *(row[name] for name in inputs), sort, int(row["alcohol"] > 13), flavanoids])
    config = folder / "study.yaml"
    config.write_text(yaml.safe_dump(
        {"data": "wine.csv", "id": "key", "targets": ["sort", "strong", "flavanoids", "hue"], **OPTIONS}
    ))  # fmt: skip
    return config


def attempt(config: Path, run: Path, watch: Callable[[], None] = lambda: None) -> int:
    """``polytask fit CONFIG --out RUN --resume`` in a forked process; gives its exit status, -9 if it was killed."""
    child = os.fork()
    if child == 0:
        log = os.open(run.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        status = 1
        try:
            watch()
            app(["fit", str(config), "--out", str(run), "--resume", "--quiet"])
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            sys.stdout.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


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


def leave_alone(folder: Path) -> Whole:
    """The run to compare with, whose calls are counted; one before it tells what it imports, so that no call does."""
    config = write_study(folder)
    for module in _watched(config, folder / "first")[2]:
        with contextlib.suppress(ImportError):  # torch makes one that has no file
            importlib.import_module(module)
    calls, seconds, _ = _watched(config, folder / "alone")
    missing = set(PLACES) - set(calls)
    assert not missing, f"never called: {missing}"
    return Whole(config, outcome(folder / "alone"), calls, {place: seconds[place] / calls[place] for place in calls})


def _watched(config: Path, run: Path) -> tuple[dict[str, int], dict[str, float], list[str]]:
    """A run that is left alone: per place its calls and their seconds of processor time, and all modules at the end."""
    found = run.with_suffix(".json")

    def watch() -> None:
        calls: Counter[str] = Counter()
        seconds: Counter[str] = Counter()

        def counted(place: str) -> Callable[[Callable[[], Any]], Any]:
            def around(call: Callable[[], Any]) -> Any:
                started = time.process_time()
                result = call()
                calls[place] += 1
                seconds[place] += time.process_time() - started
                found.write_text(json.dumps([calls, seconds, sorted(sys.modules)]))
                return result

            return around

        for place in PLACES:
            wrap(place, counted(place))

    status = attempt(config, run, watch)
    if status:
        raise SystemExit(f"the run that is left alone ended with {status}:\n{run.with_suffix('.log').read_text()}")
    calls, seconds, modules = json.loads(found.read_text())
    return calls, seconds, modules


def kill(config: Path, run: Path, fault: Fault) -> int:
    """An attempt with a fault; gives its exit status."""

    def watch() -> None:
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

        signal.signal(signal.SIGPROF, end)
        wrap(fault.place, around)

    return attempt(config, run, watch)


def outcome(run: Path) -> dict[str, Any]:
    """Everything of a run that has to be equal: all but times."""
    results = json.loads((run / "results.json").read_text())
    del results["totals"]["seconds"], results["totals"]["seconds_by_phase"]
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for event in events:
        event.pop("time"), event.pop("seconds", None)
    found = {"results": results, "events": events, "files": sorted(str(p.relative_to(run)) for p in run.rglob("*"))}
    same = ("config.yaml", "schema.json", "split.parquet", "affinity.json", "selection.json")
    found |= {name: (run / name).read_bytes() for name in same}
    return found | {str(path.relative_to(run)): path.read_bytes() for path in run.glob("networks/*/*")}


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Names of what is not equal."""
    return [key for key in sorted(expected.keys() | found.keys()) if found.get(key) != expected.get(key)]


def random_fault(whole: Whole, place: str, draw: random.Random) -> Fault:
    """Among the first calls, so that the run is killed again and again on its way."""
    call = draw.randint(1, max(1, whole.calls[place] // 15))
    return Fault(place, call, max(1e-6, draw.uniform(0, 1) * whole.seconds[place]))


def plan(draw: random.Random, wanted: Iterable[str] = PLACES) -> list[str]:
    """Places, in an order in which one run can be killed in each of them."""
    places = [place for place in PLACES if place not in ANYWHERE]
    for place in ANYWHERE:
        early = places.index("affinity") + 1, places.index("single-task models (teachers)")
        late = places.index("choice of networks") + 1, places.index("filling soft labels")
        places.insert(draw.randint(*draw.choice([early, late])), place)
    return [place for place in places if place in wanted]


def inject(whole: Whole, run: Path, faults: Iterable[Fault]) -> tuple[list[Fault], list[str]]:
    """Kill a run by the faults, resume it to the end; gives the faults that hit, and what is wrong afterwards."""
    hit: list[Fault] = []
    for fault in faults:
        status = kill(whole.config, run, fault)
        if status == 0:
            break
        if status != -signal.SIGKILL:
            return hit, [f"exit status {status} before {fault}"]
        hit.append(fault)
    status = attempt(whole.config, run)
    if status:
        return hit, [f"exit status {status}: {run.with_suffix('.log').read_text()[-2000:]}"]
    return hit, differences(outcome(run), whole.outcome)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--places", nargs="+", choices=list(PLACES), default=list(PLACES), metavar="PLACE")
    arguments = parser.parse_args()
    draw, hits, wrong, runs = random.Random(arguments.seed), Counter[str](), 0, 0
    folder = Path(tempfile.mkdtemp())
    whole = leave_alone(folder)
    while sum(hits.values()) < arguments.kills:
        run, places = folder / f"run{runs}", plan(draw, arguments.places)[: arguments.kills - sum(hits.values())]
        hit, problems = inject(whole, run, [random_fault(whole, place, draw) for place in places])
        hits.update(fault.place for fault in hit)
        runs, wrong = runs + 1, wrong + bool(problems)
        print(f"run {runs}: killed {len(hit)} times, {'; '.join(problems) or 'equal'}", flush=True)
        if not problems:
            shutil.rmtree(run)
    print("\n".join(["", "| killed in | times |", "|---|---:|", *(f"| {p} | {hits[p]} |" for p in PLACES)]))
    print(f"\n{sum(hits.values())} kills of {runs} runs; not equal afterwards: {wrong}")
    if wrong:
        raise SystemExit(f"see {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
