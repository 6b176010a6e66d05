"""``export``: write one file, run it, compare it with the run's own networks, and only then keep it."""

from __future__ import annotations

import contextlib
import json
import mmap
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ..config import make_config
from ..config.file import read_config
from ..data import read_cells, with_columns_of_other_sources
from ..data.dates import DAY
from ..data.formats import file_of
from ..errors import UserError, did_you_mean, raise_all
from ..files import replaced
from ..models.molecule_encoder import MoleculeEncoder
from ..pretrained import ImageReader, write_plainly
from ..records.folder import RunFolder
from ..runs.bundle import Bundle
from ..task import Task
from .deployed import DeployedModel, deployed_inputs, description
from .encoded import carried_files
from .formats import FORMATS, ExportFormat, Predict
from .outputs import outputs_of

#: Name under which the description of inputs and outputs is found in the file.
DESCRIPTION = "polytask.json"

#: Rows on which the exported file must agree with the run, and by how much (relative to 1 + |value|, of numbers in
#: units of training).
CHECKED_ROWS = 256
#: Where a pretrained encoder reads them, which may take a while.
CHECKED_ENCODED = 64
TOLERANCE = 1e-4
#: Share of the predicted classes that may be others.
MOST_UNDECIDED = 0.01


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        tasks: Names of the outputs.
        rows: Rows on which it was compared with PyTorch.
        source: Where these came from.
        difference: Largest difference found, relative to 1 + |value|, of regression targets in standard deviations.
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
    interval: float | None = None,
) -> Exported:
    """Write all networks of a run as one file.

    Args:
        run: Folder of a finished run.
        out: File to write.
        format: ``onnx``, or ``torch`` (a program of ``torch.export``).
        tasks: Only these tasks.
        data: Table whose first rows the file is checked on; by default the run's own, or random rows if it is gone.
        trust: Import and run the code that the run names, if its encoder is a custom class.
        interval: Also intervals and sets that hold this share of the rows; by default those that the run was made with.

    Raises:
        UserError: If the run is not usable, a task unknown, or the written file would predict something else; nothing
            is written then.
    """
    if format not in FORMATS:
        raise UserError(f"--format {format!r}: not known; {did_you_mean(format, FORMATS)}")
    chosen = FORMATS[format]
    chosen.check_packages()
    bundle = Bundle.load(run, trust=trust)
    known = [task.name for task in bundle.schema.tasks]
    names = known if tasks is None else list(tasks)
    raise_all([f"--tasks: {name!r} is not a task; {did_you_mean(name, known)}" for name in names if name not in known])
    with tempfile.TemporaryDirectory() as scratch:
        table, folder, source = _rows_to_check(run, bundle, data, Path(scratch))
        model = DeployedModel(bundle, names, interval).eval()
        _check_size(model, chosen, format)
        _check_no_graphs(model)
        inputs = deployed_inputs(bundle, table, folder=folder, where=source)
        texts = {DESCRIPTION: json.dumps(description(model, bundle)), **carried_files(bundle.encoded)}

        def written(path: Path) -> float:
            chosen.write(model, inputs, texts, path)
            return largest_difference(chosen.read(path), model, bundle, table, folder)

        with replaced(out) as temporary, _refused(format):
            try:
                difference = written(temporary)
            except UserError:
                raise
            except Exception:  # theirs have no common class
                if not write_plainly(model):
                    raise
                difference = written(temporary)
    return Exported(tuple(task.name for task in model.tasks), table.num_rows, source, difference)


def is_exported(path: Path) -> bool:
    """Whether :func:`export_run` wrote a file, by the description in it."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(DESCRIPTION.encode()) >= 0


def _check_size(model: DeployedModel, chosen: ExportFormat, format: str) -> None:
    """Refuse at once what does not go into one file."""
    size = sum(value.numel() * value.element_size() for value in (*model.parameters(), *model.buffers()))
    if size > chosen.most_bytes:
        raise UserError(
            f"export: these networks have {size / 2**30:.1f} GiB of weights, and one file of format {format} holds "
            f"{chosen.most_bytes / 2**30:.1f} GiB; use --format torch, or fewer of the tasks (--tasks), each file with "
            "the networks that serve them"
        )


def _check_no_graphs(model: DeployedModel) -> None:
    if any(isinstance(module, MoleculeEncoder) for module in model.modules()):
        raise UserError("export: these networks read molecules as graphs (encoder chemprop), which exported files do "
                        "not take; use `polytask predict` or `polytask serve`, or train with another encoder, which "
                        "reads Morgan counts and descriptors")  # fmt: skip


@contextlib.contextmanager
def _refused(format: str) -> Iterator[None]:
    """What the writers say of networks that they cannot write, as one message."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # theirs have no common class
        said = re.sub("\x1b.*?m", "", (str(error).strip().splitlines() or [type(error).__name__])[0])
        raise UserError(f"export: these networks cannot be written as {format}: {said}; nothing was written. Try the "
                        "other --format, or use `polytask predict` or `polytask serve`") from error  # fmt: skip


def largest_difference(predict: Predict, model: DeployedModel, bundle: Bundle, table: pa.Table, folder: Path) -> float:
    """Of the written file from the run's own networks, on all rows and on the first alone: how many there are must
    not matter.

    Raises:
        UserError: If it is more than the tolerance.
    """
    largest = 0.0
    for part in (table, table.slice(0, 1)):
        outputs = bundle.outputs(bundle.inputs(part, folder=folder), part.num_rows)
        found = predict(deployed_inputs(bundle, part, folder=folder))
        for task in model.tasks:
            predictions = {task: task.definition.predict(outputs[task.name].cpu())}
            for name, expected in outputs_of(predictions, model.limits).items():
                largest = max(largest, _difference(task, name, expected.numpy(), np.asarray(found[name])))
    if not largest <= TOLERANCE:
        raise UserError(
            f"export: the written file differs from PyTorch by {largest:.1e} on {table.num_rows} rows, more than "
            f"{TOLERANCE:g}; nothing was written. Try the other --format, and please report this"
        )
    return largest


def _difference(task: Task, name: str, expected: np.ndarray, found: np.ndarray) -> float:
    """Relative to 1 + |value|, of numbers in units of training; infinite if classes or infinite ends differ.

    Raises:
        UserError: If shapes differ.
    """
    if found.shape != expected.shape:
        raise UserError(f"export: output {name!r} has shape {found.shape}, expected {expected.shape}")
    if expected.dtype.kind != "f":
        # Rounding decides where two classes are equally likely, which happens to few.
        return 0.0 if (found != expected).mean() <= MOST_UNDECIDED else float("inf")
    # Single precision bears no more digits of a price in millions; a target may be far below 1, and its logarithm not.
    ours, theirs = (task.trained(torch.as_tensor(values)).numpy() for values in (expected, found))
    with np.errstate(invalid="ignore"):
        away = np.where(found == expected, 0.0, np.abs(theirs - ours) / (1 + np.abs(ours)))  # 0 of equal infinite ends
    return float(np.nan_to_num(away, nan=np.inf).max(initial=0.0))


def _rows_to_check(run: Path, bundle: Bundle, data: Path | None, scratch: Path) -> tuple[pa.Table, Path, str]:
    """Real rows if there are any, the folder to which their paths are relative, and what they are called."""
    schema, most = bundle.schema, CHECKED_ROWS if bundle.encoded is None else CHECKED_ENCODED
    if data is not None:
        paths = [data]
    else:
        config_file = RunFolder.open(run).config
        sources = make_config(read_config(config_file), str(config_file)).sources
        paths = [Path(source.table) for source in sources if file_of(Path(source.table)).exists()]
    table = read_cells(paths[0], schema.feature_names)[0].slice(0, most) if paths else None
    if table is None or table.num_rows < 2:
        return _random_rows(bundle, most, scratch), scratch, "random rows"
    full = with_columns_of_other_sources(table, schema.feature_names, schema.word_columns, bundle.sources)
    return full, paths[0].parent, paths[0].name


def _random_rows(bundle: Bundle, rows: int, scratch: Path) -> pa.Table:
    schema, draw = bundle.schema, np.random.default_rng(0)
    columns: dict[str, Any] = {}
    for number in schema.numeric:
        values = number.center + number.scale * draw.normal(size=rows)
        values[draw.random(rows) < 0.1] = np.nan
        columns[number.name] = values
    for dates in schema.temporal:
        low, high = dates.parts[0].limits  # days since 1970
        columns[dates.name] = DAY * draw.uniform(low, high, rows)
    for category in schema.categorical:
        columns[category.name] = draw.choice([*category.categories[:50], "not seen"], rows).astype(object)
    names = [column.name for column in schema.text] + [column.name for column in schema.encoded]
    words = ["some", "words", "for", "a", "check"]
    columns |= {name: [" ".join(draw.choice(words, draw.integers(1, 9))) for _ in range(rows)] for name in names}
    columns |= {
        column.name: draw.choice(["CCO", "c1ccccc1O", "CC(=O)N", ""], rows).astype(object)
        for column in schema.molecules
    }
    if bundle.encoded is not None and isinstance(reader := bundle.encoded.reader, ImageReader):
        columns[reader.column] = [_random_image(scratch / f"{row}.png", reader.size, draw) for row in range(rows)]
    return pa.table(columns)


def _random_image(path: Path, size: int, draw: np.random.Generator) -> str:
    from PIL import Image

    Image.fromarray(draw.integers(0, 256, (size, size, 3), np.uint8)).save(path)
    return path.name
