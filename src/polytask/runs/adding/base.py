"""The finished run to which tasks are added."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...config import Config
from ...errors import UserError
from ...files import sha256
from ...models.encoders import MLP
from ...models.fitted import FittedModel
from ...records.folder import RunFolder
from ...records.values import read_object
from ..bundle import METADATA, WEIGHTS, Bundle, kept_encoder


@dataclass(frozen=True)
class Base:
    """A finished run.

    Attributes:
        path: Its folder.
        bundle: Its networks.
        metadata: What is stored beside the weights of each.
        fingerprint: SHA-256 of its networks and schema.
    """

    path: Path
    bundle: Bundle
    metadata: tuple[dict[str, Any], ...]
    fingerprint: str

    @classmethod
    def load(cls, path: Path, trust: bool = False) -> Base:
        """The run in a folder; ``trust``: see :meth:`~polytask.runs.bundle.Bundle.load`.

        Raises:
            UserError: It is not finished, is damaged, was made by another version or has no columns of a table; tasks
                cannot be added to any of its networks.
        """
        bundle = Bundle.load(path, trust=trust)
        if not bundle.schema.feature_names:
            raise UserError(f"from: {path} learned from a folder of arrays; tasks are added to runs of tables")
        if any(isinstance(model, FittedModel) for model in bundle.networks):
            raise UserError(
                f"from: {path} is also served by forests and linear models, which no target can join; "
                "train again with all targets, or begin with a run without --candidates"
            )
        run = RunFolder.open(path)
        folders = [run.networks / str(number) for number in range(len(bundle.networks))]
        prints = [sha256(file) for folder in folders for file in (folder / WEIGHTS, folder / METADATA)]
        base = cls(
            path,
            bundle,
            tuple(read_object(folder / METADATA) for folder in folders),
            hashlib.sha256(" ".join([*prints, sha256(run.schema)]).encode()).hexdigest(),
        )
        if not base.candidates:
            sharing = " and ".join(sorted({network.sharing for network in bundle.networks}))
            raise UserError(
                f"from: {path} shares by {sharing}, which gives every task separate features, so none can be added; "
                "train again with all targets, or begin with a run with hard sharing"
            )
        return base

    @property
    def candidates(self) -> list[int]:
        """Networks that new targets can join: all heads read the same features."""
        return [number for number, network in enumerate(self.bundle.networks) if network.sharing == "hard"]

    def served(self, number: int) -> list[str]:
        """The tasks that a network serves."""
        return [name for name, networks in self.bundle.serves.items() if number in networks]

    def adapted(self, config: Config) -> Config:
        """The configuration with the encoder of this run, which is the only one possible.

        Raises:
            UserError: Another one is asked for, or ``into`` is no network that can be joined.
        """
        first = self.metadata[0]
        own = {"model": MLP(**first["model"]), "encoder": kept_encoder(first["encoder"], self.path)}
        default = {"model": MLP(), "encoder": None}
        for key, value in own.items():
            if getattr(config, key) not in (default[key], value):
                raise UserError(f"{key}: has no effect with from: the encoder is that of {self.path}; leave it out")
        if config.into is not None and config.into not in self.candidates:
            known = ", ".join(f"{number} ({', '.join(self.served(number))})" for number in self.candidates)
            raise UserError(f"into: {self.path} has no network {config.into} that targets can join; it has {known}")
        return config.model_copy(update=own)
