"""Search of static weights and settings as a separate tool: what ``polytask tune`` does."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from ..config import Section, as_yaml, make_config
from ..display.display import Display
from ..errors import DamagedFileError, UserError, did_you_mean, raise_all
from ..files import write_bytes, write_json
from ..ranges import Count
from ..runs.preparation.prepared import fingerprint
from .cache import RunCache
from .chosen import choose, skills_of
from .config import checked, merged, read_study
from .datasets import with_dataset
from .execute import RunSpec, to_dict
from .lock import DATABASE, check_folder, locked
from .page import write_front
from .plan import PLAIN, mistakes, prepared
from .pools import InProcess, Pool
from .sampling import ask, ended, resume
from .search import score, skill
from .space import LEARNING_RATE, WEIGHT_DECAY, SearchRange, applied, optuna, weight_ranges
from .statistics import pareto_front
from .tables import write_table

#: Objectives besides the names of tasks; a larger value is better for the first, a smaller one for the others.
MEAN, COSTS = "mean_skill", ("parameters", "seconds")


class TuneConfig(Section):
    """What is searched, and for what."""

    base: dict[str, Any] = Field({}, description="keys of `polytask fit`")
    search: dict[str, SearchRange] = Field({"learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY})
    weights: bool = Field(False, description="also search a static weight for each target")
    objectives: tuple[str, ...] = Field(
        (MEAN,), min_length=1, description="mean_skill, parameters, seconds, or targets (their skill)"
    )
    trials: Count = Field(20, description="settings to try in all")
    sampler: Literal["tpe", "random", "nsga2"] = Field("tpe", description="how settings are drawn")

    @field_validator("objectives", mode="before")
    @classmethod
    def _one_is_enough(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


def read_tuning(path: Path, overrides: list[str], out: Path, display: Display | None = None) -> TuneConfig:
    """A search's YAML file, checked as a whole for a search in the folder ``out``.

    Raises:
        UserError: All mistakes at once.
    """
    check_folder(out, search=True)
    config = checked(TuneConfig, read_study(path, overrides, path.parent.resolve()), path.name)
    base = with_dataset(config.base, out / "data", display)
    keys, where = merged(PLAIN, base, {"baselines": False}), f"{path.name}: base"
    raise_all(mistakes(keys, where))
    made = make_config(keys)
    problems = prepared(made, where)[1]
    known = [*made.targets, MEAN, *COSTS]
    problems += [f"{path.name}: objectives: unknown objective {name!r}; {did_you_mean(name, known)}"
                 for name in config.objectives if name not in known]  # fmt: skip
    if len(set(config.objectives)) != len(config.objectives):
        problems.append(f"{path.name}: objectives: expected different ones, found {list(config.objectives)}")
    for key, found in config.search.items():
        for value in found.choices or (found.low, found.high):
            try:
                make_config(applied(merged(PLAIN, base), {key: value}), f"{path.name}: search.{key}")
            except UserError as error:
                problems += error.problems[:1]
                break
    raise_all(problems)
    return config.model_copy(update={"base": base})


def tune(
    config: TuneConfig, out: Path, *, pool: Pool | None = None, jobs: int = 1, display: Display | None = None
) -> dict[str, Any]:
    """Search until ``config.trials`` settings have been tried, counting those that ``out`` has already.

    The base is tried first, as it is. A search for a higher skill ends with the settings of the base unless a trial is
    better beyond chance.

    The study is Optuna's, in ``study.db`` (SQLite): other tools of Optuna's can look at it. Everything is measured on
    validation; the test split is not read.

    Args:
        config: What is searched.
        out: Folder of the search.
        pool: Where runs are done; in this process by default.
        jobs: Runs side by side. The settings that are drawn depend on it, as they do with Optuna in general; with one
            job they are the same however often the search is interrupted or extended.
        display: Where progress is shown.

    Returns:
        The content of ``results.json``: ``objectives``, ``base`` (its values), ``trials``, ``front`` (numbers of
        trials), ``highest`` (the trial that is best by the first objective), ``gain`` (how much more skill it has than
        the base, with the standard error; None where that is not known), ``best`` (the trial whose settings are in
        ``best.yaml``; None for those of the base) and ``keys`` (these settings).
    """
    display, pool = display or Display(), pool or InProcess()
    with locked(out, search=True), _stored_in(out / DATABASE):
        made = make_config(merged(PLAIN, config.base, {"baselines": False}))
        study = _study(config, out)
        space = config.search | (weight_ranges(made.targets) if config.weights else {})
        data = fingerprint(made)
        cache = RunCache(out / "runs")
        try:
            base = _base(config, data, cache, pool, display)
            _search(config, study, space, data, cache, pool, jobs, display)
        finally:
            pool.close()
        results = _results(config, study, base, data, cache)
        _write(results, out)
    return results


@contextmanager
def _stored_in(database: Path) -> Iterator[None]:
    """What SQLite states about the study's file, as one message."""
    try:
        yield
    except Exception as error:
        said = next((str(cause) for cause in _causes(error) if isinstance(cause, sqlite3.Error)), None)
        if said is None:
            raise
        if "disk is full" in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(database)) from None
        if "malformed" in said or "not a database" in said:
            raise DamagedFileError(
                f"{database}: damaged ({said}); restore it, or search again in another --out"
            ) from None
        raise UserError(
            f"{database}: cannot be used ({said}); allow to read and write there and enough open files (ulimit -n), or "
            "choose another --out; the same command continues the search"
        ) from None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _base(config: TuneConfig, data: str, cache: RunCache, pool: Pool, display: Display) -> dict[str, Any] | None:
    """The record of the settings that the search begins with; None, with a warning, if they fail."""
    spec = _spec(config, {}, data)
    record, failure = _outcome(spec, cache, pool).result()
    if record is None:
        display.warn(f"base: failed: {failure}; the best trial is not compared with it")
        return None
    cache.store(spec.fingerprint, record)
    values = {name: _value(record, name) for name in config.objectives}
    display.say(f"base: {', '.join(f'{name} {_shown(value)}' for name, value in values.items())}")
    return record


def _spec(config: TuneConfig, settings: Mapping[str, Any], data: str) -> RunSpec:
    """The run of some settings."""
    keys = applied(merged(PLAIN, config.base, {"baselines": False}), settings)
    return RunSpec("network", make_config(keys).model_dump(mode="json"), "validation", data)


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def _search(
    config: TuneConfig, study: Any, space: Mapping[str, SearchRange], data: str, cache: RunCache, pool: Pool, jobs: int,
    display: Display,
) -> None:  # fmt: skip
    states = optuna().trial.TrialState
    distributions = {key: found.distribution() for key, found in space.items()}
    resume(study, distributions)
    done = len(study.get_trials(states=(states.COMPLETE,)))
    running: dict[Future[Any], tuple[Any, RunSpec]] = {}
    begun = done
    while begun < config.trials or running:
        while begun < config.trials and len(running) < max(jobs, 1):
            trial = ask(study, config.sampler, distributions)
            spec = _spec(config, trial.params, data)
            running[_outcome(spec, cache, pool)] = (trial, spec)
            begun += 1
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            trial, spec = running.pop(future)
            record, failure = future.result()
            number = next(place for place, one in enumerate(ended(study)) if one.number == trial.number)
            values = None if record is None else [_value(record, name) for name in config.objectives]
            if values is None or any(value is None for value in values):
                trial.set_user_attr("failure", failure or "an objective is undefined")
                study.tell(trial, state=states.FAIL)
                display.warn(f"trial {number}: failed: {failure or 'an objective is undefined'}")
                continue
            cache.store(spec.fingerprint, record or {})
            study.tell(trial, values)
            shown = ", ".join(f"{name} {_shown(value)}" for name, value in zip(config.objectives, values, strict=True))
            display.say(f"trial {number}: {shown}")


def _outcome(spec: RunSpec, cache: RunCache, pool: Pool) -> Future[Any]:
    """The run's record and failure; settings that were tried before (of a few choices) are not trained again."""
    record = cache.load(spec.fingerprint)
    if record is None:
        return pool.submit(to_dict(spec), cache.folder(spec.fingerprint))
    known: Future[Any] = Future()
    known.set_result((record, None))
    return known


def _study(config: TuneConfig, out: Path) -> Any:
    library = optuna()
    study = library.create_study(
        study_name="polytask",
        storage=f"sqlite:///{out / DATABASE}",
        directions=["minimize" if name in COSTS else "maximize" for name in config.objectives],
        load_if_exists=True,
    )
    asked = config.model_dump(mode="json", exclude={"trials"})
    began = study.user_attrs.get("config")
    if began is not None and began != asked:
        changed = ", ".join(key for key in asked if asked[key] != began.get(key))
        raise UserError(
            f"{out}: the search there began with another {changed}; choose another --out, or continue as it began"
        )
    study.set_user_attr("config", asked)
    return study


def _value(record: Mapping[str, Any], objective: str) -> float | None:
    if objective == MEAN:
        return score(record)
    if objective in COSTS:
        return float(record["cost"][objective])
    return skill(record["tasks"][objective])


def _results(config: TuneConfig, study: Any, base: dict[str, Any] | None, data: str, cache: RunCache) -> dict[str, Any]:
    trials: list[dict[str, Any]] = []
    for number, trial in enumerate(ended(study)):
        values = trial.values if trial.state.name == "COMPLETE" else None
        trials.append({
            "number": number,
            "settings": trial.params,
            "values": None if values is None else dict(zip(config.objectives, values, strict=True)),
            "failure": trial.user_attrs.get("failure"),
        })  # fmt: skip
    known = [trial for trial in trials if trial["values"] is not None]
    if not known:
        raise UserError(
            f"all {len(trials)} trials failed; the first: {trials[0]['failure'] if trials else 'none begun'}"
        )
    signs = [1.0 if name in COSTS else -1.0 for name in config.objectives]
    costs = [
        [sign * trial["values"][name] for sign, name in zip(signs, config.objectives, strict=True)] for trial in known
    ]
    front = [trial["number"] for trial, on in zip(known, pareto_front(costs), strict=True) if on]
    chosen = _chosen(config, known, base, data, cache)
    settings = {} if chosen["best"] is None else trials[chosen["best"]]["settings"]
    return {
        "objectives": list(config.objectives),
        "base": None if base is None else {name: _value(base, name) for name in config.objectives},
        "trials": trials,
        "front": front,
        **chosen,
        "keys": applied(merged(PLAIN, config.base), settings),
    }


def _chosen(
    config: TuneConfig, known: list[dict[str, Any]], base: dict[str, Any] | None, data: str, cache: RunCache
) -> dict[str, Any]:
    """``highest``, ``gain`` and ``best``, by the first objective; see :func:`tune`."""
    objective = config.objectives[0]
    sign = 1.0 if objective in COSTS else -1.0
    first = min(known, key=lambda trial: sign * trial["values"][objective])
    found: dict[str, Any] = {"highest": first["number"], "gain": None, "best": first["number"]}
    if base is None:
        return found
    if objective in COSTS:
        return found if first["values"][objective] < base["cost"][objective] else found | {"best": None}
    judged = () if objective == MEAN else (objective,)
    records = {trial["number"]: cache.load(_spec(config, trial["settings"], data).fingerprint) for trial in known}
    skills = {number: skills_of(record, judged) for number, record in records.items() if record is not None}
    if not skills:  # all were made by an earlier version
        return found
    choice = choose(skills_of(base, judged), skills)
    gain = {"value": choice.gain.value, "error": choice.gain.error}
    return {"highest": choice.highest, "gain": gain, "best": choice.trial}


def _write(results: dict[str, Any], out: Path) -> None:
    """``results.json``, ``front.csv`` and ``.md``, ``best.yaml`` for ``polytask fit``, and ``front.svg``."""
    write_json(out / "results.json", results)
    objectives = results["objectives"]
    by_number = {trial["number"]: trial for trial in results["trials"]}
    settings = list(dict.fromkeys(key for trial in results["trials"] for key in trial["settings"]))
    rows = [
        [number, *(by_number[number]["values"][name] for name in objectives),
         *(by_number[number]["settings"].get(key) for key in settings)]
        for number in results["front"]
    ]  # fmt: skip
    header = ["trial", *objectives, *settings]
    write_table(out / "front", (header, rows))
    write_bytes(out / "best.yaml", as_yaml(results["keys"]).encode())
    write_front(out, results, COSTS)
