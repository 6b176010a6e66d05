"""Where things are in the folder of a run; this loads nothing."""

from __future__ import annotations

from pathlib import Path


class Layout:
    """Paths of what a run leaves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.results = path / "results.json"
        self.affinity = path / "affinity.json"
        self.selection = path / "selection.json"
        self.schema = path / "schema.json"
        self.encoder = path / "encoder"
        self.split = path / "split.parquet"
        self.thresholds = path / "thresholds.json"
        self.calibration = path / "calibration.json"
        self.intervals = path / "intervals.json"
        self.plots = path / "plots.json"
        self.report = path / "report.html"
        self.networks = path / "networks"
        self.trainings = path / "trainings"
        self.state = path / "state.json"
        self.metrics = path / "metrics.jsonl"

    def holds(self, path: Path) -> bool:
        """Whether ``path`` is a file that the run has written, or would be in one of its folders.

        Example:
            >>> run = Layout(Path("run"))
            >>> [run.holds(Path(name)) for name in ("run/split.parquet", "./run/networks/0/x.onnx", "run/mine.parquet")]
            [True, True, False]
        """
        parts = [found for name, found in vars(self).items() if isinstance(found, Path) and name != "path"]
        own = {part.resolve() for part in (*parts, self.path / "folds", self.path / "out_of_fold.parquet")}
        return not own.isdisjoint({path.resolve(), *path.resolve().parents})

    @classmethod
    def of_file(cls, path: Path) -> Layout | None:
        """The run that ``path`` belongs to."""
        runs = (cls(folder) for folder in path.resolve().parents)
        return next((run for run in runs if run.config.exists() and run.state.exists() and run.holds(path)), None)
