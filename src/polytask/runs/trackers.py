"""Where the history of a run is shown besides its ``metrics.jsonl``: TensorBoard and MLflow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..extras import require

#: Takes one event of a run.
Listener = Callable[[Mapping[str, Any]], None]
#: Events whose numbers are shown.
SHOWN = ("evaluation",)
#: Name of the experiment in MLflow.
EXPERIMENT = "polytask"


def make_trackers(names: tuple[str, ...], folder: Path) -> list[Listener]:
    """One listener for each name.

    Args:
        names: Of :data:`TRACKERS`.
        folder: The run's folder; TensorBoard's files go to ``tensorboard/`` in it.

    Raises:
        UserError: If a tracker is not installed.
    """
    return [TRACKERS[name](folder) for name in names]


def flat(event: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an event, with the names of the dictionaries that they are in.

    Example:
        >>> flat({"event": "evaluation", "step": 3, "time": 1.0, "losses": {"a": 0.5, "b": None}})
        {'losses/a': 0.5}
    """
    return dict(_numbers("", {k: v for k, v in event.items() if k not in ("event", "step", "time", "training")}))


def _numbers(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(f"{prefix}{key}/", value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{key}", float(value)


def tensorboard(folder: Path) -> Listener:
    """One TensorBoard run for each training, below ``tensorboard/``."""
    require("tensorboard", "tensorboard", needed_by="report_to: tensorboard")
    from lightning_fabric.loggers import TensorBoardLogger

    loggers: dict[str, Any] = {}

    def listen(event: Mapping[str, Any]) -> None:
        if event["event"] in SHOWN:
            name = str(event.get("training", "run"))
            if name not in loggers:
                loggers[name] = TensorBoardLogger(folder / "tensorboard", name=name, version="")
            loggers[name].log_metrics(flat(event), step=event["step"])
            loggers[name].experiment.flush()

    return listen


def mlflow(folder: Path) -> Listener:
    """One MLflow run for each training, in the experiment ``polytask`` of the usual tracking server.

    ``MLFLOW_TRACKING_URI`` states where; by default ``mlflow.db`` in the run's folder.
    """
    require("mlflow", "mlflow", needed_by="report_to: mlflow")
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.exceptions import MlflowException

    place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.resolve()}/mlflow.db"
    client: Any = None
    runs: dict[str, str] = {}

    def begin(name: str) -> str:
        """A new run of MLflow's; the server is asked for when there is something to say."""
        nonlocal client
        try:
            client = client or MlflowClient(place)
            known = client.get_experiment_by_name(EXPERIMENT)
            experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT)
            return str(client.create_run(experiment, run_name=f"{folder.name} {name}").info.run_id)
        except MlflowException as error:
            raise UserError(f"report_to: mlflow cannot use {place}: {error}") from None

    def listen(event: Mapping[str, Any]) -> None:
        if event["event"] in SHOWN:
            name = str(event.get("training", "run"))
            if name not in runs:
                runs[name] = begin(name)
            moment = int(1000 * event["time"])
            metrics = [Metric(key, value, moment, event["step"]) for key, value in flat(event).items()]
            client.log_batch(runs[name], metrics=metrics)
        elif event["event"] == "finish":
            for run in runs.values():
                client.set_terminated(run)

    return listen


TRACKERS: dict[str, Callable[[Path], Listener]] = {"tensorboard": tensorboard, "mlflow": mlflow}
