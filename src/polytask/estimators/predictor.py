"""A run in Python: from a data frame to predictions, metrics and a report."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Self, Unpack

import pyarrow as pa
import pyarrow.parquet

from ..config import Config, flat, make_config
from ..config.file import read_config
from ..config.keywords import with_keys
from ..config.settings import Settings
from ..data import read_cells
from ..data.frames import arrow_table, like
from ..display.display import Display
from ..errors import UserError
from ..files import read_json, write_json
from ..records.folder import RunFolder
from ..records.results import stored_results
from ..records.run import read_run
from ..runs import Bundle, fit_run
from ..runs.use import evaluate_rows, table_of
from .figures import Figure, Plots, plots_of_rows, plots_of_run
from .importance import Importance, permutation_importance
from .learning_curve import learning_curve
from .page import Page, metrics_html
from .predictions import probabilities_of, type_names, types_from, values_of
from .progress import display_of
from .scores import skills_of

#: Types of the label columns, beside the run's own files.
TYPES = "label_types.json"


class TablePredictor:
    """Networks for the many targets of a table: ``polytask fit`` and the commands that follow it, in Python.

    Args:
        targets: Columns to predict.
        config: Settings as a mapping, or the path of a YAML file; every key of ``polytask fit`` is allowed.
        verbose: Show progress bars and notes, in a notebook and in a terminal. Otherwise messages go to the
            logger ``polytask``.
        **settings: Keys of the configuration, such as ``steps=500``, ``networks=2`` or ``balance="dwa"``; they win over
            those of ``config``.

    Raises:
        UserError: If a setting is unknown or unusable; nothing is trained then.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(300, 2))
        >>> table = {"a": x[:, 0], "b": x[:, 1], "sold": x[:, 0] > 0, "price": x.sum(1)}
        >>> predictor = TablePredictor(["sold", "price"], networks=1, steps=60, baselines=False).fit(table)
        >>> predictions = predictor.predict(table)
        >>> predictions["sold"].dtype, predictions["price"].shape
        (dtype('bool'), (300,))
        >>> predictor.predict_proba(table)["sold"]["true"].shape
        (300,)
    """

    @with_keys
    def __init__(
        self,
        targets: Sequence[str] = (),
        *,
        config: Mapping[str, Any] | str | Path | None = None,
        verbose: bool = False,
        **settings: Unpack[Settings],
    ) -> None:
        given = flat(config) if isinstance(config, Mapping) else {} if config is None else read_config(Path(config))
        self.settings = given | flat(settings)
        if wrong := {"out", "resume"} & self.settings.keys():
            raise UserError(f"{type(self).__name__}: {' and '.join(sorted(wrong))}: give it to fit(table, out=FOLDER)")
        if targets:
            listed = [targets] if isinstance(targets, str) else targets
            self.settings["targets"] = [name.strip() if isinstance(name, str) else name for name in listed]
        self.verbose = verbose
        self._folder: Path | None = None
        self._kept: tempfile.TemporaryDirectory[str] | None = None
        self._bundle: Bundle | None = None
        self._types: dict[str, pa.DataType] = {}
        self._config(Path("table.parquet"))

    def _config(self, data: Path) -> Config:
        return make_config({**self.settings, "data": str(data)}, type(self).__name__)

    def fit(self, table: Any, *, out: str | Path | None = None, resume: bool = False) -> Self:
        """Train the networks.

        Args:
            table: The labelled rows: a pandas, polars or Arrow table, a mapping of columns, an array ``[n, D]`` with
                columns ``x0``, ``x1``, ..., or the path of a file that ``polytask fit`` reads.
            out: Folder of the run, as ``polytask fit --out`` writes it. By default the run is in a temporary folder
                that is removed with this object.
            resume: Continue the run in ``out`` after an interruption; the table must be the same.

        Raises:
            UserError: If the table or a setting is unusable, or ``out`` exists and ``resume`` is False.
        """
        if resume and out is None:
            raise UserError("resume: needs `out`, the folder of the run that was interrupted")
        kept = tempfile.TemporaryDirectory(prefix="polytask-") if out is None else None
        folder = Path(str(out)) if kept is None else Path(kept.name) / "run"
        with tempfile.TemporaryDirectory(prefix="polytask-") as scratch:
            data, types = self._file_of(table, Path(scratch))
            fit_run(self._config(data), folder, resume=resume, display=display_of(self.verbose))
        write_json(folder / TYPES, types)
        self._open(folder, kept)
        return self

    def _file_of(self, table: Any, scratch: Path) -> tuple[Path, dict[str, str]]:
        """The file that is trained on, and the types of the label columns."""
        if isinstance(table, str | Path):
            return Path(table), {}
        rows = arrow_table(table)
        path = scratch / "table.parquet"
        pa.parquet.write_table(rows, path)
        return path, type_names(rows, list(self._config(path).targets))

    def _open(self, folder: Path, kept: tempfile.TemporaryDirectory[str] | None, trust: bool = False) -> None:
        self._bundle = Bundle.load(folder, trust=trust)
        types = folder / TYPES
        self._types = types_from(read_json(types)) if types.exists() else {}
        self._folder, self._kept = folder, kept

    @property
    def bundle(self) -> Bundle:
        """The trained networks.

        Raises:
            UserError: Before :meth:`fit`.
        """
        if self._bundle is None:
            raise UserError(f"{type(self).__name__}: not fitted yet; call fit(table) first")
        return self._bundle

    @property
    def run(self) -> Path:
        """The folder of the run; temporary unless ``fit`` was given ``out``."""
        assert self.bundle is not None and self._folder is not None
        return self._folder

    @property
    def results(self) -> dict[str, Any]:
        """The content of ``results.json``: test metrics with intervals, baselines, networks."""
        return stored_results(RunFolder(self.run).results)

    def predict(self, table: Any, *, interval: float | None = None) -> Any:
        """The predicted value or class of every target, in the order of the rows.

        Args:
            table: Rows with the feature columns, see :meth:`fit`.
            interval: Share of the rows, such as 0.9, whose label intervals and sets are to hold: numbers have
                ``<target>_low`` and ``<target>_high`` beside them, classes ``<target>_set`` (``a;b``). By default that
                of the setting ``interval``, if any.

        Returns:
            A table of the kind that was given (an Arrow table for a file), one column per target; the index of pandas
            and the types of the label columns are kept.

        Raises:
            UserError: If columns are missing or do not hold what they did.
        """
        predicted = self.bundle.predict(_rows(table, self.bundle), interval=interval)
        found = values_of(predicted, self.bundle.schema, self._types)
        return found if isinstance(table, str | Path) else like(found, table)

    def predict_proba(self, table: Any) -> dict[str, Any]:
        """The probability of every class, by target.

        Args:
            table: See :meth:`predict`.

        Returns:
            For each target with classes a table of the kind that was given, one column per class.
        """
        found = probabilities_of(self._predicted(table), self.bundle.schema)
        return found if isinstance(table, str | Path) else {name: like(one, table) for name, one in found.items()}

    def _predicted(self, table: Any) -> pa.Table:
        return self.bundle.predict(_rows(table, self.bundle))

    def evaluate(self, table: Any) -> dict[str, dict[str, Any]]:
        """Metric, value and number of labels of every target that the table has.

        Args:
            table: Rows with labels, see :meth:`fit`; rows that were not trained on, or the metrics are optimistic.

        Raises:
            UserError: If the table has none of the targets, or see :meth:`predict`.
        """
        return evaluate_rows(self.bundle, _rows(table, self.bundle), where="table")

    def score(self, table: Any) -> float:
        """The mean skill over targets: 0 for a constant prediction, 1 for a perfect one, NaN if none is defined."""
        values = list(skills_of(self.bundle, _rows(table, self.bundle)).values())
        return fmean(values) if values else float("nan")

    def explain(self, table: Any, **options: Any) -> Importance:
        """Permutation importance: how much the skill of every target falls when a feature's values are shuffled.

        Args:
            table: Rows with labels, see :meth:`evaluate`.
            **options: See :func:`permutation_importance`.
        """
        return permutation_importance(self.bundle, _rows(table, self.bundle), **options)

    def plots(self, table: Any = None) -> Plots:
        """ROC, calibration, confusion, errors and more, by target: as data and as figures that a notebook shows.

        Args:
            table: Rows with labels, see :meth:`evaluate`; by default the run's own test rows, with the importance of
                features, partial dependences, correlations and missing labels.
        """
        return plots_of_run(self.run) if table is None else plots_of_rows(self.bundle, _rows(table, self.bundle))

    def learning_curve(
        self, table: Any, *, shares: Sequence[float] = (0.1, 0.3, 1.0), held: float = 0.25, seed: int = 0
    ) -> dict[str, Figure]:
        """Whether more rows would help: trains again on parts of the rows, which takes a training for each share.

        Args:
            table: All labelled rows, see :meth:`fit`.
            shares: Of the rows that are not held out.
            held: Share of the rows that skill is measured on.
            seed: Draws both.

        Returns:
            By target its skill by the number of rows, with 95 % intervals.
        """
        fresh = type(self)(config=self.settings | {"baselines": False}, verbose=self.verbose)
        rows = arrow_table(table) if not isinstance(table, str | Path) else read_cells(Path(table))[0]
        return learning_curve(lambda some: fresh.fit(some).bundle, rows, shares, held, seed)

    def report(self) -> Page:
        """The report of the run; a notebook shows it, ``.save(path)`` writes it."""
        return Page((RunFolder(self.run).report).read_text(encoding="utf-8"))

    def diagnose(self) -> list[Any]:
        """What ``polytask doctor`` finds: each finding with its evidence and the setting to try."""
        from ..diagnosis import diagnose

        return diagnose(self.run)

    def export(
        self,
        out: str | Path,
        *,
        format: str = "onnx",
        tasks: Sequence[str] | None = None,
        interval: float | None = None,
    ) -> Path:
        """Write all networks as one ONNX or PyTorch file; see ``polytask export``."""
        from ..deployment import export_run

        export_run(self.run, Path(out), format=format, tasks=tasks, interval=interval)
        return Path(out)

    def save(self, path: str | Path) -> Path:
        """Copy the run to a folder that the commands and :func:`polytask.load` read.

        Raises:
            UserError: If the path exists.
        """
        path = Path(path)
        if path.exists():
            raise UserError(f"{path}: exists already; give the path of a new folder")
        shutil.copytree(self.run, path)
        return path

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__ | {"_bundle": None, "_kept": None, "_folder": None}
        return state | {"_files": None if self._bundle is None else _packed(self.run)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        files = state.pop("_files")
        self.__dict__.update(state)
        if files is not None:
            kept = tempfile.TemporaryDirectory(prefix="polytask-")
            with zipfile.ZipFile(io.BytesIO(files)) as archive:
                archive.extractall(Path(kept.name) / "run")
            self._open(Path(kept.name) / "run", kept)

    def __repr__(self) -> str:
        named = ", ".join(f"{key}={value!r}" for key, value in self.settings.items())
        return f"{type(self).__name__}({named})"

    def _repr_html_(self) -> str | None:
        return None if self._bundle is None else metrics_html(read_run(self.run))


def load(path: str | Path, *, trust: bool = False) -> TablePredictor:
    """The predictor of any finished run, made by ``polytask fit`` or :meth:`TablePredictor.save`.

    Args:
        path: The folder of the run.
        trust: Allow importing the custom encoder class that the run refers to.

    Raises:
        UserError: If it is no finished run, or is damaged.
    """
    run = RunFolder.open(Path(path))
    predictor = TablePredictor(config=read_config(run.config))
    predictor._open(run.path, None, trust)
    return predictor


def _rows(table: Any, bundle: Bundle) -> pa.Table:
    """The rows of a file or a frame."""
    if not isinstance(table, str | Path):
        return arrow_table(table)
    return table_of(bundle, Path(table), Display())


def _packed(folder: Path) -> bytes:
    """All files of a run that is finished, in one archive."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.name != ".lock":
                archive.write(file, file.relative_to(folder))
    return memory.getvalue()
