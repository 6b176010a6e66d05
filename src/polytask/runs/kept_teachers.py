"""Single-task models that runs share: kept in a folder of the user's, each with what it was made from.

A run takes those that fit into its own folder, as if another process had trained them, and leaves those that it had to
train itself.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..config import Config
from ..errors import UserError, raise_all
from ..files import replaced
from ..processes.collectives import is_first, wait_for_all
from ..records.folder import RunFolder
from ..training.single_task import fingerprint, kept_fingerprint, settings_that_decide, write_fingerprint
from .encoders import network_of
from .preparation.prepared import Prepared

RESULT = "result.safetensors"


def teacher_fingerprints(config: Config, data: Prepared) -> list[str]:
    """What each task's single-task model is made from: data, split, transformation, first weights, settings, seed."""
    settings = config.training().resolve(len(data.rows["train"]))
    about = {
        "data": data.fingerprint,
        "split": hashlib.sha256(data.split.tobytes()).hexdigest(),
        "columns": data.schema.to_dict(),
        "sample_weight": config.sample_weight,
        "settings": settings_that_decide(settings),
        "seed": config.seed,
    }
    if data.encoded is not None:
        about["encoder"] = data.encoded.checkpoint.digest
    return [
        fingerprint({**about, "task": asdict(task)}, network_of(config, data.schema, [task], plain=True).state_dict())
        for task in data.tasks
    ]


def check_kept(config: Config, data: Prepared) -> None:
    """Raise if the folder of teachers holds one that this run could not have made.

    Raises:
        UserError: It names the tasks.
    """
    if config.teachers is None:
        return
    folder = Path(config.teachers)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"teachers: {folder} is a file; give a folder")
    kept = [kept_fingerprint(folder / str(position)) for position in range(len(data.tasks))]
    pairs = zip(data.tasks, kept, teacher_fingerprints(config, data), strict=True)
    raise_all([
        f"teachers: {folder} holds one of {task.name!r} that was made from other data, another split or other "
        "settings; give another folder, or the options that it was made with"
        for task, known, found in pairs
        if known is not None and known != found
    ])  # fmt: skip


def take_kept(config: Config, run: RunFolder, tasks: int) -> int:
    """Put the teachers that are kept where the run looks for its single-task models.

    Returns:
        How many were taken.
    """
    if config.teachers is None:
        return 0
    taken = 0
    for position in range(tasks):
        place, name = Path(config.teachers) / str(position), f"single_task_{position}"
        if kept_fingerprint(place) is not None and not run.kept(name):
            taken += 1
            if is_first():
                (run.trainings / name).mkdir(parents=True, exist_ok=True)
                _copy(place / RESULT, run.trainings / name / RESULT)
    wait_for_all()
    return taken


def keep(config: Config, data: Prepared, run: RunFolder, positions: Sequence[int]) -> None:
    """Leave the run's single-task models in the folder of teachers, where there are none yet."""
    if config.teachers is None or not is_first():
        return
    for position, (task, found) in enumerate(zip(data.tasks, teacher_fingerprints(config, data), strict=True)):
        place = Path(config.teachers) / str(position)
        if position in positions and kept_fingerprint(place) is None:
            place.mkdir(parents=True, exist_ok=True)
            _copy(run.trainings / f"single_task_{position}" / RESULT, place / RESULT)
            write_fingerprint(place, task.name, found)  # last: what has one is whole


def _copy(source: Path, target: Path) -> None:
    with replaced(target) as half:
        shutil.copyfile(source, half)
