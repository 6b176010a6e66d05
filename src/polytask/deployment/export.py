"""``export``: write one file, run it, compare it with the run's own networks, and only then keep it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ..config import make_config
from ..config_file import read_config
from ..data import Schema, read_table, with_columns_of_other_sources
from ..errors import UserError, did_you_mean, raise_all
from ..files import replaced
from ..runs.bundle import Bundle
from ..runs.folder import RunFolder
from .deployed import DeployedModel, deployed_inputs, description
from .formats import FORMATS

#: Rows on which the exported file must agree with the run, and by how much (relative to 1 + |value|).
CHECKED_ROWS = 256
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        tasks: Names of the outputs.
        rows: Rows on which it was compared with PyTorch.
        source: Where these came from.
        difference: Largest difference found, relative to 1 + |value|.
    """

    tasks: tuple[str, ...]
    rows: int
    source: str
    difference: float


def export_run(
    run: Path,
    out: Path,
    *,
    format: str = "onnx",
    tasks: Sequence[str] | None = None,
    data: Path | None = None,
    trust: bool = False,
) -> Exported:
    """Write all networks of a run as one file.

    Args:
        run: Folder of a finished run.
        out: File to write.
        format: ``onnx``, or ``torch`` (a program of ``torch.export``).
        tasks: Only these tasks.
        data: Table whose first rows the file is checked on; by default the run's own, or random rows if it is gone.
        trust: Import and run the code that the run names, if its encoder is a class of somebody's.

    Raises:
        UserError: If the run is not usable, a task unknown, or the written file would predict something else; nothing
            is written then.
    """
    if format not in FORMATS:
        raise UserError(f"--format {format!r}: not known; {did_you_mean(format, FORMATS)}")
    chosen = FORMATS[format]
    chosen.check_packages()
    bundle = Bundle.load(run, trust=trust)
    schema = bundle.schema
    if schema.encoded:
        read = ", ".join(column.name for column in schema.encoded)
        raise UserError(f"export: {read} is read by a pretrained encoder, and neither its tokeniser nor pictures fit "
                        "in the file; use `polytask predict`")  # fmt: skip
    known = [task.name for task in schema.tasks]
    names = known if tasks is None else list(tasks)
    raise_all([f"--tasks: {name!r} is not a task; {did_you_mean(name, known)}" for name in names if name not in known])
    table, source = _rows_to_check(run, bundle, data)
    model = DeployedModel(bundle, names).eval()
    inputs = deployed_inputs(schema, table, where=source)
    with replaced(out) as temporary:
        chosen.write(model, inputs, description(model, schema), temporary)
        difference = _largest_difference(chosen.read(temporary), model, inputs, table.num_rows)
    return Exported(tuple(task.name for task in model.tasks), table.num_rows, source, difference)


def _largest_difference(run_file: Any, model: DeployedModel, inputs: dict[str, Tensor], rows: int) -> float:
    """Compare on all rows and on the first alone: the size of the batch must not matter."""
    largest = 0.0
    for part in (inputs, _first_row(inputs)):
        with torch.no_grad():
            expected = model(**part)
        found = run_file(part)
        for name, value in expected.items():
            other = np.asarray(found[name])
            if other.shape != tuple(value.shape):
                raise UserError(f"export: output {name!r} has shape {other.shape}, expected {tuple(value.shape)}")
            difference = np.abs(other - value.numpy()) / (1 + np.abs(value.numpy()))
            largest = max(largest, float(difference.max(initial=0.0)))
    if not largest <= TOLERANCE:
        raise UserError(
            f"export: the written file differs from PyTorch by {largest:.1e} on {rows} rows, more than {TOLERANCE:g}; "
            "nothing was written. Try the other --format, and please report this"
        )
    return largest


def _first_row(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    part = {name: value[:1] for name, value in inputs.items() if not name.startswith("text_")}
    if "text_offsets" in inputs:
        end = int(inputs["text_offsets"][1])
        part |= {name: inputs[name][:end] for name in ("text_indices", "text_values")}
        part["text_offsets"] = inputs["text_offsets"][:2]
    return part


def _rows_to_check(run: Path, bundle: Bundle, data: Path | None) -> tuple[pa.Table, str]:
    """Real rows if there are any, and what they are called."""
    schema = bundle.schema
    if data is not None:
        paths = [data]
    else:
        config_file = RunFolder.open(run).config
        sources = make_config(read_config(config_file), str(config_file)).sources
        paths = [Path(source.table) for source in sources if Path(source.table).is_file()]
    if not paths:
        return _random_rows(schema), "random rows"
    table = read_table(paths[0], text=schema.word_columns).slice(0, CHECKED_ROWS)
    if table.num_rows < 2:
        return _random_rows(schema), "random rows"
    full = with_columns_of_other_sources(table, schema.feature_names, schema.word_columns, bundle.sources)
    return full, paths[0].name


def _random_rows(schema: Schema) -> pa.Table:
    draw = np.random.default_rng(0)
    columns: dict[str, Any] = {}
    for number in schema.numeric:
        values = number.center + number.scale * draw.normal(size=CHECKED_ROWS)
        values[draw.random(CHECKED_ROWS) < 0.1] = np.nan
        columns[number.name] = values
    for category in schema.categorical:
        columns[category.name] = draw.choice([*category.categories[:50], "not seen"], CHECKED_ROWS).astype(object)
    for text in schema.text:
        columns[text.name] = [
            " ".join(draw.choice(["some", "words", "for", "a", "check"], 5)) for _ in range(CHECKED_ROWS)
        ]
    return pa.table(columns)
