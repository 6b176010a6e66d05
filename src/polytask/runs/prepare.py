"""From a file to labelled rows: read, check, infer, split, encode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from ..config import Config
from ..data import (
    PARTS,
    Rows,
    Schema,
    check_split,
    encode_label_sets,
    encode_targets,
    find_leaks,
    label_columns,
    load_split,
    make_split,
    read_sources,
    read_table,
    sample_weights,
    split_from_column,
)
from ..data.arrays import is_arrays
from ..task import Task
from .prepare_arrays import prepare_arrays
from .prepare_stored import prepare_stored, wants_streaming
from .prepared import Prepared, fingerprint, judge_columns, learnt_for_encoder


def prepare(config: Config, stored_split: Path | None = None) -> Prepared:
    """Read and check the data of a run.

    Args:
        config: The run's configuration.
        stored_split: A split saved earlier, used instead of drawing one.

    Raises:
        UserError: Whatever is wrong with the file or its columns, as much as possible at once.
    """
    if is_arrays(config.sources[0].table):
        return prepare_arrays(config)
    if wants_streaming(config):
        return prepare_stored(config, stored_split)
    where = config.data_name
    paths = [source.table for source in config.sources]
    table, source = read_sources(paths, [source.targets for source in config.sources], config.targets)
    inferred, roles = judge_columns(config, table, where)
    tasks = tuple(found.task for found in inferred)
    labels = encode_targets(table, tasks, where=where)
    wide = encode_label_sets(table, tasks, where=where)
    split = _split(config, table, *label_columns(labels, wide, tasks), stored_split, where)
    warnings = check_split(split, labels.numpy(), tasks, where=where, wide=wide)
    schema = Schema.fit(table, tasks, where=where, train=split == 0, **roles, **learnt_for_encoder(config))
    warnings += find_leaks(table, schema)
    everything = Rows.from_matrix(schema.encode_inputs(table, where=where), schema.encode_targets(table, where=where))
    everything = replace(everything, wide=wide)
    if config.sample_weight is not None:
        everything = everything.with_weights(sample_weights(table, config.sample_weight, config.targets, where=where))
    if len(paths) > 1:
        everything = replace(everything, source=torch.from_numpy(source))
    rows = {part: everything.subset(torch.from_numpy(np.flatnonzero(split == code))) for code, part in enumerate(PARTS)}
    columns = [source_features(schema, path) for path in paths] if len(paths) > 1 else []
    ids = schema.ids(table, where=where)
    return Prepared(schema, inferred, split, ids, rows, warnings, fingerprint(config), columns)


def source_features(schema: Schema, path: str) -> list[str]:
    """Feature columns of one of several data sets."""
    known = read_table(path).column_names
    return [name for name in schema.feature_names if name in known]


def _split(
    config: Config, table: pa.Table, labels: np.ndarray, tasks: Sequence[Task], stored: Path | None, where: str
) -> np.ndarray:
    if stored is not None and stored.exists():
        return load_split(stored)[0]
    if isinstance(config.split, str):
        return split_from_column(table, config.split, where)
    return make_split(labels, [task.kind for task in tasks], config.split, config.seed)
