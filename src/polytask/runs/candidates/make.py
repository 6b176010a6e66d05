"""What a run serves instead of its networks alone: checked before the work, trained after them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...config import Config
from ...errors import UserError, raise_all
from ..linear import is_matrix
from ..preparation.prepared import Prepared
from ..served import Trained
from ..trainer import Trainer
from .cross_fit import development
from .distilled import distilled, is_wanted
from .ensemble import NETWORKS, ServedEnsemble, family_candidate, kept_ensemble, mix, networks_candidate
from .families import families


def wanted(config: Config) -> bool:
    """Whether anything but the networks of the run is to be served."""
    return config.ensemble > 1 or set(config.candidates) != {NETWORKS}


def check_candidates(data: Prepared, candidates: Sequence[str], ensemble: int) -> None:
    """Raise if the rows are not such as candidates can learn from.

    Raises:
        UserError: It states what was found.
    """
    asked = sorted(set(candidates) - {NETWORKS})
    train = data.rows["train"]
    what = f"candidates: {' and '.join(asked)} learn" if asked else "ensemble: its members learn"
    if (asked or ensemble > 1) and (train.stored is not None or not len(data.rows["validation"])):
        found = "there are no validation rows" if train.stored is None else "the table is streamed"
        raise UserError(f"{what} from rows in memory and are judged on validation rows; {found}; leave them out")
    if asked and not is_matrix(train.inputs):
        raise UserError(f"{what} from columns of a table (numbers, categories, hashed texts); this run reads something "
                        "else; leave them out")  # fmt: skip
    if not asked:
        return
    known = [task for task in data.tasks if any(family.takes(task) for family in families(asked, 1))]
    raise_all([f"candidates: {' and '.join(asked)} know none of the targets"] if not known else [])


def make_ensemble(trainer: Trainer, served: Sequence[Trained]) -> ServedEnsemble | None:
    """Train the candidates beside networks that were chosen, and mix them; None if the networks alone are better.

    Args:
        trainer: The run.
        served: The networks that it would serve without.
    """
    config, rows = trainer.config, trainer.data.rows
    student = is_wanted(config)
    data = development(config, rows["train"], rows["validation"], config.ensemble, apart=student)
    pool: dict[str, Trained] = {}
    candidates = [networks_candidate(trainer, data, served, pool)]
    threads = config.threads or torch.get_num_threads()
    for family in families(config.candidates, len(trainer.data.tasks), threads):
        if trainer.limit is not None and trainer.limit.passed and not trainer.run.finished(family.name):
            trainer.display.say(f"{family.name} is left out: the time limit has passed")
        elif found := family_candidate(trainer, family, data, pool):
            candidates.append(found)
    means = mix(trainer, data, served, candidates)
    if student:
        return distilled(trainer, data, served, pool, candidates, means)
    return kept_ensemble(trainer, pool, candidates, means)
