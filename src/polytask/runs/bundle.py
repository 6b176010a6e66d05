"""Trained networks on disk, and predictions from them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ..config import Config
from ..data import Rows, Schema
from ..data.finite import rows_not_finite
from ..data.format import Format
from ..data.formats import FORMATS, format_of
from ..data.frames import arrow_table
from ..data.molecules import require_rdkit
from ..errors import UserError, raise_all
from ..files import replaced, sha256, write_bytes, write_json
from ..models import MultiTaskModel
from ..models.encoders import HF, MLP, is_named
from ..models.encoders.catalogue import resolved
from ..models.fitted import FittedModel
from ..pretrained import texts_of
from ..records.folder import RunFolder
from ..records.values import read_object
from ..task import Task
from ..task.conformal import Scores
from ..task.prediction_columns import check_prediction_columns
from ..training.evaluation import task_estimate, task_outputs, task_targets
from ..uncertainty import Estimate
from .encoders import check_trusted, make_network
from .preparation.encoded import EncodedColumns, inputs_of
from .preparation.prepared import with_temperatures, with_thresholds

Found = TypeVar("Found")
WEIGHTS, METADATA = "model.safetensors", "network.json"


def save_network(
    folder: Path, model: MultiTaskModel, serves: Sequence[str], config: Config, schema: Path, rows: int
) -> None:
    """Write a network: weights as safetensors, what is needed to make it again as JSON with fingerprints.

    Args:
        folder: Of the network.
        model: The network.
        serves: Tasks that it serves.
        config: The run's configuration.
        schema: The run's file of the schema.
        rows: Training rows of the schema.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    write_bytes(folder / WEIGHTS, save(weights))
    metadata = {
        "tasks": [task.name for task in model.tasks],
        "serves": list(serves),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "model": config.model.for_rows(rows).model_dump(mode="json"),
        "encoder": config.encoder,
        "sharing": model.sharing,
        "sharing_options": config.sharing_options if model.sharing == config.sharing else {},
        "sha256": sha256(folder / WEIGHTS),
        "schema_sha256": sha256(schema),
    }
    if isinstance(model, FittedModel):
        metadata["fitted"] = model.stored()
    write_json(folder / METADATA, metadata)


def load_network(
    folder: Path, schema: Schema, schema_file: Path, trust: bool = False
) -> tuple[MultiTaskModel, list[str]]:
    """A network and the names of the tasks that it serves.

    Raises:
        UserError: If a file is missing, truncated or does not match its fingerprint, or code would be imported.
    """
    metadata = read_object(folder / METADATA)
    check_trusted(metadata.get("encoder"), schema_file.parent, trust)
    weights = folder / WEIGHTS
    for file, key in ((weights, "sha256"), (schema_file, "schema_sha256")):
        if not file.exists():
            raise UserError(f"{file}: file not found; restore it or make the run again")
        if sha256(file) != metadata.get(key):
            raise UserError(f"{file}: damaged or truncated (its fingerprint is not the one recorded in "
                            f"{folder / METADATA}); restore the file or make the run again")  # fmt: skip
    by_name = {task.name: task for task in schema.tasks}
    try:
        tasks = [by_name[name] for name in metadata["tasks"]]
        if "fitted" in metadata:
            fitted = FittedModel.restored(metadata["fitted"], load_file(weights), tasks)
            return fitted, [by_name[name].name for name in metadata["serves"]]
        made = MLP(**metadata["model"]), kept_encoder(metadata["encoder"], schema_file.parent)
        model = make_network(schema, tasks, *made, 0, metadata["sharing"], metadata["sharing_options"])
        model.load_state_dict(load_file(weights))
        return model, [by_name[name].name for name in metadata["serves"]]
    except UserError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{folder / METADATA}: damaged: it does not fit its weights or the schema "
                        f"({error!r}); restore the file or make the run again") from None  # fmt: skip


def kept_encoder(encoder: str | dict[str, Any] | None, run: Path) -> str | dict[str, Any] | None:
    """A pretrained encoder as the run keeps it, whatever it was made from: nothing is fetched; any other as it is."""
    if encoder is None or not is_named(encoder):
        return encoder
    whole = resolved(encoder)
    # A relative path could be the name of something on the hub.
    return whole | {HF.argument: str(RunFolder(run).encoder.absolute())} if whole["name"] == HF.name else encoder


def serving_places(serves: Iterable[Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """The positions of the networks that serve each task, of the tasks that each network serves; one that names a task
    several times counts so often in the mean.

    Example:
        >>> serving_places([["a", "b"], ["b"]])
        {'a': (0,), 'b': (0, 1)}
    """
    found: dict[str, tuple[int, ...]] = {}
    for place, names in enumerate(serves):
        found |= {name: (*found.get(name, ()), place) for name in names}
    return found


@dataclass(frozen=True)
class Bundle:
    """The networks of a finished run, every task with those that serve it: several predict their mean.

    Attributes:
        schema: The stored transformation.
        networks: Networks in order.
        serves: Numbers of the networks for every task.
        sources: Feature columns of each data set if there were several.
        encoded: Columns that a pretrained encoder reads, if there is one.
        scores: Of the validation rows by task, from which prediction intervals follow.
        interval: Share of the rows that prediction intervals and sets hold unless another is asked for; None for none.
        together: What rows were grouped by, see :func:`~polytask.runs.preparation.splitting.groups_in`.
    """

    schema: Schema
    networks: tuple[MultiTaskModel, ...]
    serves: dict[str, tuple[int, ...]]
    sources: tuple[tuple[str, ...], ...] = ()
    encoded: EncodedColumns | None = None
    scores: Mapping[str, Scores] = field(default_factory=dict)
    interval: float | None = None
    together: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path, *, trust: bool = False) -> Bundle:
        """The bundle of a run folder.

        Args:
            path: The folder.
            trust: Import and run the code that the run names, if its encoder is a custom class.

        Raises:
            UserError: If the run is not finished or is damaged, or names code and is not trusted.
        """
        path = Path(path)
        run = RunFolder.open(path)
        if not run.results.exists():
            raise UserError(f"{path}: this run is not finished; continue it with `polytask fit ... --resume`")
        stored = read_object(run.schema)
        try:
            schema = Schema.from_dict(stored)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{run.schema}: damaged ({error}); restore the file or make the run again") from None
        schema = replace(schema, tasks=with_thresholds(schema.tasks, stored_thresholds(run)))
        schema = replace(schema, tasks=with_temperatures(schema.tasks, stored_temperatures(run)))
        if schema.molecules:
            require_rdkit(f"{path}: column {schema.molecules[0].name!r} of molecules")
        count = len(list(run.networks.glob("*/"))) if run.networks.is_dir() else 0
        loaded = [load_network(run.networks / str(number), schema, run.schema, trust) for number in range(count)]
        serves = serving_places(names for _, names in loaded)
        missing = [task.name for task in schema.tasks if task.name not in serves]
        if missing:
            raise UserError(f"{run.networks}: no network for {', '.join(missing)}; make the run again")
        sources = tuple(tuple(columns) for columns in stored.get("sources", ()))
        encoded = EncodedColumns.load(run.encoder) if schema.encoded or run.encoder.is_dir() else None
        networks = tuple(model for model, _ in loaded)
        together = dict(stored.get("together", {}))
        return cls(schema, networks, serves, sources, encoded, *stored_intervals(run), together)

    def inputs(self, table: Any, *, folder: Path | None = None, where: str = "table") -> dict[str, Any]:
        """What the networks take, for the rows of a table.

        Args:
            table: An Arrow table or another data frame, see :func:`~polytask.data.frames.arrow_table`, with the columns
                of the training table.
            folder: To which paths of images are relative; that of the process by default.
            where: Name of the table in messages.

        Raises:
            UserError: If columns are missing, or do not hold what they did.
        """
        table = arrow_table(table, where)
        return inputs_of(table, self.schema, self.encoded, folder=folder or Path(), where=where)

    def outputs(self, inputs: Any, n: int) -> dict[str, Tensor]:
        """Raw outputs of every task, ``[n]`` or ``[n, C]``; of several networks those of their mean prediction.

        Raises:
            UserError: If one is not finite.
        """
        if n == 0:
            return self._no_outputs()
        each = [self.outputs_of(number, inputs, n) for number in range(len(self.networks))]
        raise_all([
            f"row {int(bad[0])}: the prediction of {name} is not finite ({len(bad)} of {n} rows); look for extreme "
            "values in its columns"
            for outputs in each
            for name, output in outputs.items()
            if len(bad := rows_not_finite(output))
        ])  # fmt: skip
        return {
            task.name: task.definition.average([each[number][task.name] for number in self.serves[task.name]])
            for task in self.schema.tasks
        }

    def outputs_of(self, number: int, inputs: Any, n: int) -> dict[str, Tensor]:
        """Raw outputs of one network for the tasks that it serves."""
        model = self.networks[number]
        positions = [p for p, task in enumerate(model.tasks) if number in self.serves[task.name]]
        outputs = task_outputs(model, inputs, positions, n)
        return {model.tasks[p].name: output for p, output in zip(positions, outputs, strict=True)}

    def _no_outputs(self) -> dict[str, Tensor]:
        """Outputs of no rows, shaped as those of one."""
        one = pa.table({name: pa.nulls(1, pa.string()) for name in self.schema.feature_names})
        return {name: output[:0] for name, output in self.outputs(self.inputs(one), 1).items()}

    def predict(
        self, table: Any, *, folder: Path | None = None, where: str = "table", interval: float | None = None
    ) -> pa.Table:
        """One row per input row, in order: the row id if there is one, then per task the value or class and, for
        classes, the probabilities as ``<task>_p_<class>``. Of sets of labels the value is the set of the likely ones,
        as in a table to train on (``a;b``, or ``;`` for none), and every label has its own probability. Of tags it is
        the likely tag of every word (``O B-city``).

        With an interval there are ``<task>_low`` and ``<task>_high`` of numbers, and of classes ``<task>_set``, the
        classes that are likely enough (``a;b``). They are infinite, or all, where the run had too few validation rows.

        Args:
            table: See :meth:`inputs`.
            folder: See :meth:`inputs`.
            where: See :meth:`inputs`.
            interval: Share of the rows whose label intervals and sets are to hold; by default that of the run, if any.

        Raises:
            UserError: If the table does not have the columns of the training table, or the run is of before intervals.
        """
        level = self.level(interval)
        table = arrow_table(table, where)
        inputs = self.inputs(table, folder=folder, where=where)
        self.check_names(level is not None)
        columns: dict[str, Any] = {}
        ids = self.schema.ids(table, where=where) if self.schema.id_column in table.column_names else None
        if ids is not None:
            columns[str(self.schema.id_column)] = ids
        outputs = self.outputs(inputs, table.num_rows)
        for task in self.schema.tasks:
            kind = task.definition
            texts = texts_of(self.schema.read(table), self.schema.encoded[0].name) if kind.items else []
            predictions = kind.predict(outputs[task.name]).cpu()
            found = kind.columns(task, predictions, texts)
            if level is not None and task.name in self.scores:
                found |= kind.interval_columns(task, predictions, self.scores[task.name].limit(level))
            columns |= {
                name: pa.array(values, pa.string()) if isinstance(values, list) else values
                for name, values in found.items()
            }
        return pa.table(columns)

    def level(self, asked: float | None) -> float | None:
        """The level of intervals: as asked, or that of the run.

        Raises:
            UserError: If it is no share, or the run is of before intervals.
        """
        if asked is None:
            return self.interval
        if not 0 < asked < 1:
            raise UserError(f"interval: expected a share of the rows between 0 and 1, such as 0.9, found {asked:g}")
        if not self.scores:
            raise UserError("interval: this run has no validation rows that intervals could be made of, or was made by "
                            "an earlier version; train it again")  # fmt: skip
        return asked

    def check_names(self, intervals: bool = False) -> None:
        """Prediction columns have separate names.

        Raises:
            UserError: If two would have the same.
        """
        check_prediction_columns(self.schema.tasks, self.schema.id_column, intervals)

    def evaluate(self, rows: Rows, tasks: Sequence[str]) -> dict[str, float]:
        """Metrics of some tasks on labelled rows (with the columns of all tasks), NaN where undefined."""
        return {name: found.value for name, found in self.estimates(rows, tasks).items()}

    def estimates(self, rows: Rows, tasks: Sequence[str]) -> dict[str, Estimate]:
        """The same with standard errors."""
        return {found[0].name: task_estimate(*found) for found in self.on_labelled(rows, tasks)}

    def on_labelled(self, rows: Rows, tasks: Sequence[str]) -> Iterator[tuple[Task, Tensor, Tensor, Tensor]]:
        """By task raw outputs, targets and units of its labelled rows, see :meth:`evaluate` and ``Rows.units``."""
        outputs = self.outputs(rows.inputs, len(rows))
        for position, task in enumerate(self.schema.tasks):
            if task.name in tasks:
                ids, targets = task_targets(rows, position)
                yield task, outputs[task.name].cpu()[ids], targets, rows.units(ids)


def check_writes(path: Path) -> Format:
    """The format of a file that predictions are written to.

    Raises:
        UserError: If it is none that is written.
    """
    found = format_of(path)
    if found is None or not found.writes:
        endings = [one.endings[0] for one in FORMATS.values() if one.writes]
        raise UserError(f"--out {path}: expected a name that ends in {', '.join(endings)}")
    return found


def _stored(path: Path, read: Callable[[Any], Found]) -> dict[str, Found]:
    """What a run has chosen for some tasks, by task; nothing without the file.

    Raises:
        UserError: If the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        return {name: read(found) for name, found in read_object(path).items()}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: damaged ({error!r}); restore the file or make the run again") from None


def stored_thresholds(run: RunFolder) -> dict[str, float]:
    """The thresholds that a run has chosen, by task."""
    return _stored(run.thresholds, lambda found: float(found["threshold"]))


def stored_temperatures(run: RunFolder) -> dict[str, float]:
    """The temperatures that a run has chosen, by task."""
    return _stored(run.calibration, lambda found: float(found["temperature"]))


def stored_intervals(run: RunFolder) -> tuple[dict[str, Scores], float | None]:
    """How unusual labels of the validation rows were, by task, and the level that was asked for; none in old runs."""
    if not run.intervals.exists():
        return {}, None
    found = read_object(run.intervals)
    try:
        level = None if found["level"] is None else float(found["level"])
        scores = {
            str(name): Scores(tuple(map(float, one["values"])), tuple(map(int, one["ranks"])))
            for name, one in found["tasks"].items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{run.intervals}: damaged ({error!r}); restore the file or make the run again") from None
    return scores, level


def write_predictions(path: Path, pieces: Iterable[pa.Table]) -> int:
    """Write pieces of equal columns to one file, of the format that its ending states, atomically; gives the rows."""
    chosen, rows = check_writes(path), 0
    with replaced(path) as temporary, contextlib.ExitStack() as stack:
        writer: Any = None
        for piece in pieces:
            if writer is None:
                schema, writer = piece.schema, stack.enter_context(chosen.writer(temporary, piece.schema, path.name))
            writer.write_table(piece.cast(schema))
            rows += piece.num_rows
        stack.close()  # before the file takes its place
    return rows
