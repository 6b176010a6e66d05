"""From a file to labelled rows: read, check, infer, split, encode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ...config import Config
from ...data import (
    PARTS,
    Rows,
    Schema,
    check_split,
    encode_label_sets,
    encode_tags,
    encode_targets,
    find_leaks,
    label_columns,
    read_sources,
    sample_weights,
)
from ...data.arrays import is_arrays
from ...data.equal_rows import row_keys
from ...data.table import check_files
from ...errors import UserError
from ...models.encoders import HF
from .arrays import prepare_arrays
from .encoded import EncodedColumns
from .held_files import checked_rows, tags_for_words, with_held_files
from .prepared import Prepared, device_of_features, fingerprint, judge_columns, learnt_for_encoder
from .reading import notes_on, reading_of, with_renamed
from .splitting import split_rows
from .stored import prepare_stored, wants_streaming


def prepare(config: Config, stored_split: Path | None = None) -> Prepared:
    """Read and check the data of a run.

    Args:
        config: The run's configuration.
        stored_split: A split saved earlier, used instead of drawing one.

    Raises:
        UserError: Whatever is wrong with the file or its columns, as much as possible at once.
    """
    check_files(config.tables)
    if is_arrays(config.sources[0].table):
        return prepare_arrays(config)
    if wants_streaming(config):
        return prepare_stored(config, stored_split)
    where = config.data_name
    paths = [source.table for source in config.sources]
    sources = read_sources(paths, [source.targets for source in config.sources], config.targets, reading_of(config))
    inferred, roles = judge_columns(config, sources.table, where)
    table = with_renamed(sources.table, inferred)
    tasks = tuple(found.task for found in inferred)
    labels = encode_targets(table, tasks, where=where, precise=True)
    wide = encode_label_sets(table, tasks, where=where) | encode_tags(table, tasks, where=where)
    split, said = split_rows(config, table.column, *label_columns(labels, wide, tasks), stored_split, where)
    warnings = (
        []
        if config.held_files
        else check_split(
            split, labels.numpy(), tasks, where=where, wide=wide, tested=config.folds is None or config.fold is not None
        )
    )
    schema = Schema.fit(table, tasks, where=where, train=split == 0, **roles, **learnt_for_encoder(config))
    warnings += find_leaks(table, schema)
    inputs = schema.encode_inputs(table, where=where)
    keys = row_keys(table, schema, inputs)
    encoded = None
    if isinstance(encoder := config.named_encoder, HF):
        device = device_of_features(config)
        encoded = EncodedColumns.fit(encoder, schema, table, split == 0, where=where, device=device)
        encoded, found = encoded.fitted(table, split == 0, folder=common_folder(paths, encoded), where=where)
        inputs |= found
    wide |= tags_for_words(table, schema, where=where)
    everything = Rows.from_matrix(inputs, schema.encode_targets(table, where=where))
    everything = replace(everything, wide=wide)
    if config.sample_weight is not None:
        everything = everything.with_weights(sample_weights(table, config.sample_weight, config.targets, where=where))
    if len(paths) > 1:
        everything = replace(everything, source=torch.from_numpy(sources.source))
    rows = {part: everything.subset(torch.from_numpy(np.flatnonzero(split == code))) for code, part in enumerate(PARTS)}
    ids = schema.ids(table, where=where)
    notes = [*sources.notes, *said, *notes_on(inferred, schema, table)]
    of_sources = sources.with_features(schema.feature_names) if len(paths) > 1 else []
    data = Prepared(schema, inferred, split, ids, rows, warnings, fingerprint(config), of_sources, encoded, notes, keys)
    return checked_rows(with_held_files(config, data))


def common_folder(paths: Sequence[str], encoded: EncodedColumns) -> Path:
    """The folder that paths of pictures are relative to.

    Raises:
        UserError: If tables with pictures lie in several.
    """
    folders = {Path(path).resolve().parent for path in paths}
    if encoded.checkpoint.reads == "image" and len(folders) > 1:
        raise UserError(f"data: tables with paths of pictures have to lie in one folder, found {len(folders)}; "
                        "put them side by side")  # fmt: skip
    return folders.pop()
