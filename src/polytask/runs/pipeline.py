"""The whole way of a run, from a table to networks, honest figures and a page."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..config import Config
from ..display.display import Display
from ..display.text import fewer
from ..errors import UserError
from ..files import write_json
from ..processes.collectives import is_first, wait_for_all, world_size
from ..records.folder import RunFolder, refuse_existing
from .adding import AddingRun
from .decided import decisions
from .folds import FoldDisplay, fold_folders
from .fresh import NewRun
from .outcome import finish
from .plan import Planned
from .preparation.prepared import Prepared
from .resumed import AFTER_TRAINING, finished, nothing_lost, same_data
from .trackers import make_trackers
from .trainer import Trainer, make_balancer
from .variant import Variant


def fit_run(
    config: Config,
    out: Path,
    *,
    resume: bool = False,
    display: Display | None = None,
    final_part: str = "test",
    trust: bool = False,
) -> dict[str, Any]:
    """Do everything that ``polytask fit`` does.

    Args:
        config: What to do.
        out: Folder of the run; it must not exist, unless ``resume``.
        resume: Continue an interrupted run; finished phases are read again, the interrupted one continues bit for bit.
        display: Where progress is shown.
        trust: See :meth:`polytask.runs.bundle.Bundle.load`, for the run that ``from`` names.
        final_part: Part of the split that ``test`` in the results is measured on; a search for settings sets
            ``validation`` and leaves the test split alone.

    Returns:
        The content of ``results.json``.

    Raises:
        UserError: If the input is wrong; nothing is written then.
    """
    display = display or Display()
    if resume and not RunFolder.begun(out):
        display.say(f"{out}: nothing to resume yet; this is a new run")
        resume = False
    variant: Variant = NewRun() if config.from_run is None else AddingRun.load(Path(config.from_run), trust)
    config = variant.adapted(config)
    if resume and (found := finished(RunFolder.open(out), config, display)):
        return found
    started = time.monotonic()
    decided = decisions(config, out, resume)
    asked, config = config, decided.applied(config)
    data = _checked(variant, config, out, resume)
    trackers = make_trackers(config.report_to, out)
    wait_for_all()  # of several processes none writes before all have looked
    with decided.in_force(), RunFolder.locked(out):
        spent = sum(RunFolder.open(out).seconds.values()) if resume else time.monotonic() - started
        planned = variant.plan(config, data, display, RunFolder.open(out) if resume else None, spent)
        config = config.model_copy(update=planned.changes)
        if not resume and is_first():
            RunFolder.create(out, asked, data, asdict(decided) | planned.stored())
            for name, content in variant.files().items():
                write_json(out / name, content)
        wait_for_all()
        run = RunFolder.open(out)
        run.log.listeners += trackers
        _carry_out_folds(asked, run, display, trust)
        settings = config.training().resolve(len(data.rows["train"]))
        limit = planned.limit(asked.time_limit, spent)
        trainer = Trainer(config, data, run, display, settings, final_part, limit=limit)
        _say_what_comes(trainer, planned)
        outcome = variant.train(trainer)
        with nothing_lost(AFTER_TRAINING.format(run.path)):
            return finish(trainer, outcome)


def _carry_out_folds(config: Config, run: RunFolder, display: Display, trust: bool) -> None:
    """The runs of the folds, or what is left of them."""
    if config.folds is None or config.fold is not None:
        return
    for fold, folder in enumerate(fold_folders(run, config)):
        own = config.model_copy(update={"fold": fold, "report_to": ()})
        shown = FoldDisplay(display, f"fold {fold + 1} of {config.folds}")
        results = fit_run(own, folder, resume=RunFolder.begun(folder), display=shown, trust=trust)
        values = ", ".join(f"{name} {_shown(entry['test'])}" for name, entry in results["tasks"].items())
        display.say(f"fold {fold + 1} of {config.folds}: {values}")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _say_what_comes(trainer: Trainer, planned: Planned) -> None:
    for line in trainer.data.describe():
        trainer.display.say(line)
    for warning in fewer(trainer.data.warnings):
        trainer.display.warn(warning)
    if planned.sentence:
        trainer.display.say(planned.sentence)
    if planned.trainings:
        trainer.display.expect(planned.trainings, planned.seconds)


def _checked(variant: Variant, config: Config, out: Path, resume: bool) -> Prepared:
    """The data, after everything that can be checked before anything is written."""
    if config.jobs > 1 and world_size() > 1:
        raise UserError(f"jobs: {world_size()} processes train each network together; set jobs to 1")
    balancer = make_balancer(config.balance)
    balancer.bind(config.targets)
    if resume:
        run = RunFolder.open(out)
        data = variant.prepare(config, run)
        same_data(run, config, data.fingerprint)
        if data.encoded is not None:
            data.encoded.check_same(run.encoder)
    else:
        if RunFolder.begun(out):
            refuse_existing(out)
        data = variant.prepare(config, None)
    variant.check(config, data, balancer)
    return data
