"""A run that is continued: that it is the same, what is done already, and how it ends."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..config import Config, Decides, deciding, make_config
from ..config.file import read_config
from ..display.display import Display
from ..errors import AfterTrainingError, UserError, raise_all
from ..processes.collectives import is_first, wait_for_all
from ..records.folder import RunFolder
from ..records.results import stored_results
from ..reporting import write_report
from .preparation.prepared import fingerprint

#: Keys that may differ when a run is continued: they do not change its numbers, or (time) its plan, which is stored.
FREE_KEYS = deciding(Config, Decides.PLACE, Decides.ROUNDING, Decides.NOTHING) | {"time_limit"}


def same_config(run: RunFolder, config: Config) -> None:
    """Raise if a resumed run is asked for something else than it began with."""
    began = make_config(read_config(run.config), str(run.config)).model_dump(by_alias=True)
    now = config.model_dump(by_alias=True)
    raise_all([
        f"{key}: the run in {run.path} began with {began[key]!r}, now it is {now[key]!r}; resume with the same options"
        for key in now
        if key not in FREE_KEYS and now[key] != began[key]
    ])  # fmt: skip


def same_data(run: RunFolder, config: Config, found: str) -> None:
    if found != run.fingerprint:
        raise UserError(
            f"{config.data_name}: the file has changed since the run in {run.path} began; put the old file back, "
            "or start a new run with another --out"
        )


def finished(run: RunFolder, config: Config, display: Display) -> dict[str, Any] | None:
    """The results of a run that is finished, which may lack only its report; None if there is more to do."""
    same_config(run, config)
    if not run.results.exists():
        return None
    if all(Path(table).is_file() for table in config.tables):
        same_data(run, config, fingerprint(config))
    display.say(f"{run.path}: this run is finished")
    return close(run, stored_results(run.results))


#: What is safe once all trainings are done.
AFTER_TRAINING = "all trainings are done and kept in {}; the same command with --resume continues after them"


@contextmanager
def nothing_lost(safe: str) -> Iterator[None]:
    """Around what comes after the trainings: what fails there states in one sentence what is safe.

    Args:
        safe: What is safe, and how to continue.

    Raises:
        AfterTrainingError: Instead of anything but mistakes of the user, interruptions and files that cannot be
            written, which are told already.
    """
    try:
        yield
    except (UserError, OSError, AfterTrainingError):
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise AfterTrainingError(
            f"{safe}. For a bug report: {type(error).__name__}: {error} "
            f"({Path(place.filename).name}, line {place.lineno})"
        ) from error


def close(run: RunFolder, results: dict[str, Any]) -> dict[str, Any]:
    """Write the report and drop what only an unfinished run needs."""
    wait_for_all()
    if is_first() and (run.trainings.exists() or not run.report.exists()):
        with nothing_lost(f"the report cannot be drawn; networks and results in {run.path} are whole: predict and "
                          f"evaluate work, `polytask report {run.path}` writes it again"):  # fmt: skip
            write_report(run.path)
        shutil.rmtree(run.trainings, ignore_errors=True)
        for left in run.path.rglob(".*.tmp"):  # of a process that was killed while it wrote
            left.unlink()
    return results
