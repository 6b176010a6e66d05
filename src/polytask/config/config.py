"""The configuration of a run: every option of the command line is a key here, with the same name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, model_validator

from ..errors import UserError, raise_all
from ..processes.launch import Processes
from .data import DataKeys, SourceConfig, data_problems
from .grouping import GroupingKeys, grouping_problems
from .key import without_effect
from .layout import as_yaml, flat, unknown_key
from .learning import DistillationKeys, LearningKeys, NetworkKeys, learning_problems
from .model import ModelKeys, model_problems
from .run import RunKeys, run_problems
from .split import FILES
from .target import TargetKeys, target_problems
from .training import MovingAverage, TrainingSettings, select_by_problems


class Config(
    RunKeys,
    DistillationKeys,
    NetworkKeys,
    GroupingKeys,
    LearningKeys,
    TrainingSettings,
    ModelKeys,
    TargetKeys,
    DataKeys,
):
    """Everything that decides what a run does; in Python every key is an attribute, whatever its section."""

    model_config = ConfigDict(populate_by_name=True)

    ema: MovingAverage = 0.98  # the library leaves this choice to the user, `fit` makes it

    #: What keys that take values of several kinds expect.
    EXPECTED: ClassVar[dict[str, str]] = TrainingSettings.EXPECTED | {
        "networks": "auto, single_task or a number of at least 1",
        "split": "the name of a column, or three shares",
        "balance": "a method, or {name: method, its options}",
        "encoder": "a name, {name: ..., its options}, package.module:Class, or {class: ..., args: {...}}",
        "distill": "off, mtlkd, okd, scd or best, or {name: scd, its options}",
    }

    @classmethod
    def unknown_key(cls, path: str) -> str:
        """What to say of a key that there is not."""
        return unknown_key(path)

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        raise_all(list(self._problems()))
        return self

    def _problems(self) -> Iterator[str]:
        """Mistakes of keys against each other."""
        for problems in (
            data_problems, target_problems, grouping_problems, model_problems, learning_problems, without_effect,
            run_problems,
        ):  # fmt: skip
            yield from problems(self)
        yield from self.training_problems()
        yield from select_by_problems(self.select_by, self.targets)

    def for_network(self, tasks: Sequence[str]) -> Config:
        """The same with the :attr:`network_settings` of a network of these tasks; the first that fits counts."""
        own = next((entry for entry in self.network_settings if entry.fits(tasks)), None)
        return self.model_copy(update={"network_settings": (), **(own.changes(self) if own else {})})

    def training(self) -> TrainingSettings:
        """The settings of every training of the run."""
        return TrainingSettings(**{name: getattr(self, name) for name in TrainingSettings.model_fields})

    def processes(self) -> Processes:
        """The processes of every training of the run."""
        return Processes(self.devices, self.nodes, self.strategy)

    @property
    def named_encoder(self) -> Any:
        """The :class:`~polytask.models.encoders.Encoder`; None for a class of the user's.

        Raises:
            UserError: If a package that it needs is missing.
        """
        if self.encoder is None:
            return self.model
        from ..models.encoders import encoder_named, is_named

        return encoder_named(self.encoder) if is_named(self.encoder) else None

    @property
    def sources(self) -> tuple[SourceConfig, ...]:
        """The data sets; one if ``data`` is a table."""
        return (SourceConfig(table=self.data),) if isinstance(self.data, str) else self.data

    @property
    def held_files(self) -> tuple[str, ...]:
        """The parts of the split that are separate files."""
        return tuple(part for part in FILES if getattr(self, part) is not None)

    @property
    def tables(self) -> tuple[str, ...]:
        """Paths of all files with rows."""
        return (*(source.table for source in self.sources), *(str(getattr(self, part)) for part in self.held_files))

    @property
    def data_name(self) -> str:
        """The tables' names, for messages."""
        return " + ".join(Path(source.table).name for source in self.sources)

    def beside(self, folder: Path) -> Config:
        """The same for a file in ``folder``: paths of data are relative to it, as in a configuration file."""

        def moved_to(path: str) -> str:
            return Path(os.path.relpath(Path(path).resolve(), folder.resolve())).as_posix()

        tables = [moved_to(source.table) for source in self.sources]
        if isinstance(self.data, str):
            run = None if self.from_run is None else moved_to(self.from_run)
            held = {part: moved_to(str(getattr(self, part))) for part in self.held_files}
            return self.model_copy(update={"data": tables[0], "from_run": run, **held})
        moved = tuple(SourceConfig(table=t, targets=s.targets) for t, s in zip(tables, self.data, strict=True))
        return self.model_copy(update={"data": moved})

    def to_yaml(self) -> str:
        """The whole configuration in its sections, defaults included."""
        return as_yaml(self.model_dump(mode="json", by_alias=True))


def make_config(values: Mapping[str, Any], where: str = "config") -> Config:
    """Check ``values``, in sections or flat, and fill in the defaults.

    Raises:
        UserError: All mistakes at once, each with its key; a mistyped key with the near miss.
    """
    try:
        return Config(**flat(values))
    except UserError as error:
        raise UserError(*(f"{where}: {problem}" for problem in dict.fromkeys(error.problems))) from None
