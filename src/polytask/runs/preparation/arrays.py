"""From a folder of arrays to labelled rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...config import Config, is_given, keys_of
from ...data import InferredTask, Schema, check_split
from ...data.arrays import read_arrays
from ...errors import did_you_mean, raise_all
from ...models.encoders import HF
from .asked import as_asked
from .encoded_arrays import encode_arrays
from .prepared import Prepared, device_of_features, fingerprint


def prepare_arrays(config: Config) -> Prepared:
    """The data of a run whose ``data`` is a folder of arrays, see :mod:`polytask.data.arrays`.

    Raises:
        UserError: Everything that does not fit at once.
    """
    folder = Path(config.sources[0].table)
    where = config.data_name
    tasks, rows = read_arrays(folder)
    names = [task.name for task in tasks]
    problems = [
        f"{where}: no target {name!r}; {did_you_mean(name, names)}" for name in config.targets if name not in names
    ]
    problems += [
        f"{key}: has no effect on a folder of arrays, which says this itself; leave it out"
        for key, known in keys_of(Config).items()
        if known.of_tables and is_given(config, key)
    ]
    encoder = config.named_encoder
    if encoder is not None and not isinstance(encoder, HF):
        problems.append(
            f"encoder: {where} is a folder of arrays; give an encoder for inputs of shape "
            f"{list(rows['train'].inputs.shape[1:])}, such as {{class: polytask.models.conv_encoder:ConvEncoder}}, or "
            "hf:FOLDER for pictures"
        )
    raise_all(problems)
    positions = [names.index(name) for name in config.targets]
    chosen = [
        as_asked(replace(tasks[p], weight=config.weights.get(names[p], 1.0), losses=()), config) for p in positions
    ]
    parts = {part: found.only_tasks(positions) for part, found in rows.items()}
    split = np.repeat(np.arange(3, dtype=np.int8), [len(found) for found in parts.values()])
    labels = np.concatenate([
        np.where(found.observed.numpy(), found.targets.numpy(), np.nan) if found.observed is not None
        else found.targets.numpy()
        for found in parts.values()
    ])  # fmt: skip
    scalar = [place for place, task in enumerate(chosen) if not task.definition.wide]
    warnings = check_split(split, labels[:, scalar], [chosen[place] for place in scalar], where=where)
    inferred = tuple(InferredTask(task, "as stored") for task in chosen)
    encoded = None
    if isinstance(encoder, HF):
        encoded, parts = encode_arrays(encoder, chosen, parts, where=where, device=device_of_features(config))
    schema = Schema(tuple(chosen))
    return Prepared(schema, inferred, split, None, parts, warnings, fingerprint(config), encoded=encoded)
