"""Methods against each other: what ``polytask compare`` does."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..display.display import Display
from ..display.text import count
from ..files import write_json
from ..runs.made_with import versions
from .analysis import FORMAT, analyse
from .cache import RunCache
from .config import CompareConfig
from .lock import locked
from .page import write_comparison
from .plan import Method, Setup, plan
from .pools import InProcess, Pool
from .schedule import run_all
from .search import History, Outcome, history
from .significance import reach
from .tables import write_tables


def compare(
    config: CompareConfig, out: Path, *, where: str = "config", pool: Pool | None = None, display: Display | None = None
) -> dict[str, Any]:
    """Run what is not in ``out`` yet, and write ``results.json``, ``tables/`` and ``report.html`` there.

    Every method is tried with the same number of settings on validation, with the first seed; the best ones are
    trained with every seed, and only then is the test split read. For one seed, all methods have the same split, the
    same order of rows and, where their networks are equal, the same initial weights.

    Args:
        config: What is compared.
        out: A separate folder; what it has of earlier comparisons is used.
        where: The configuration's name for messages.
        pool: Where runs are done; in this process by default.
        display: Where progress is shown.

    Returns:
        The content of ``results.json``.

    Raises:
        UserError: All mistakes of the configuration at once, or ``out`` has other content or is used.
    """
    display = display or Display()
    with locked(out, search=False):
        setups = plan(config, where, out / "data", display)
        cache = RunCache(out / "runs")
        histories = {
            (setup.name, method.name): history(
                method.maker(setup.data.fingerprint), method.space, config.trials, config.seeds
            )
            for setup in setups.values()
            for method in setup.methods.values()
        }
        names = _Names(config, setups, display)
        tests = sum(len(setup.methods) - 1 for setup in setups.values())
        for sentence in reach(len(config.seeds), tests, config.model_dump()):
            display.say(sentence)
        pool = pool or InProcess()
        try:
            done = run_all(histories, pool, cache, names.report)
        finally:
            pool.close()
        for path in cache.damaged:
            display.warn(f"{path}: damaged; the run was done again")
        results = _results(config, setups, done, cache)
        write_json(out / "results.json", results)
        write_tables(results, out / "tables")
        write_comparison(out, results)
        for left in (cache.path).glob("*/run"):  # of failed or unwanted runs; nothing of them is used
            shutil.rmtree(left, ignore_errors=True)
    return results


class _Names:
    """States how far a comparison is."""

    def __init__(self, config: CompareConfig, setups: Mapping[str, Setup], display: Display) -> None:
        methods = sum(len(setup.methods) for setup in setups.values())
        trials = config.trials if config.trials > 1 else 0
        self.total, self.done, self.display = methods * (trials + len(config.seeds)), 0, display
        display.say(f"{count(len(setups), 'set-up')}, {count(methods, 'method')}, at most {count(self.total, 'run')}")

    def report(self, outcome: Outcome, known: bool) -> None:
        self.done += 1
        config = outcome.spec.config
        name = outcome.spec.learner if outcome.spec.learner != "network" else config["balance"]
        name = name.get("name") if isinstance(name, dict) else name
        title = f"{self.done}/{self.total} {name}, networks {config['networks']}, converge {config['converge']}"
        title += f", distill {config['distill']}" if config["distill"] not in ("off", False) else ""
        title += f", seed {config['seed']}" + (", trial" if outcome.spec.part == "validation" else "")
        if outcome.failure:
            self.display.warn(f"{title}: failed: {outcome.failure}")
        else:
            seconds = outcome.record["cost"]["seconds"] if outcome.record else 0.0
            self.display.say(f"{title}: {'known' if known else f'{seconds:.1f} s'}")


def _results(
    config: CompareConfig, setups: Mapping[str, Setup], done: Mapping[tuple[str, str], History], cache: RunCache
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, setup in setups.items():
        methods = {m: _method(setup.methods[m], done[name, m], cache) for m in setup.methods}
        found[name] = {
            "data": setup.source,
            "fingerprint": setup.data.fingerprint,
            "rows": {part: len(rows) for part, rows in setup.data.rows.items()},
            "tasks": {
                task.name: {"kind": task.kind, "metric": task.metric, "direction": task.metric_definition.direction}
                for task in setup.data.tasks
            },
            "methods": methods,
        }
    results = {"format": FORMAT, "versions": versions(), "config": config.model_dump(mode="json"), "setups": found}
    return analyse(results)


def _method(method: Method, done: History, cache: RunCache) -> dict[str, Any]:
    trials = [
        {"settings": settings, "score": value, **_entry(outcome, cache, record=False)}
        for settings, outcome, value in done.trials
    ]
    finals = {str(seed): _entry(outcome, cache, record=True) for seed, outcome in done.finals.items()}
    return {"keys": method.keys, "learner": method.learner, "chosen": done.chosen, "trials": trials, "seeds": finals}


def _entry(outcome: Outcome, cache: RunCache, *, record: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"run": cache.folder(outcome.spec.fingerprint).name, "failure": outcome.failure}
    if outcome.record is None:
        return entry
    return entry | (outcome.record if record else {"seconds": outcome.record["cost"]["seconds"]})
