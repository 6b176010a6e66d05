"""The encoder of a run: one of those with a name, or a class of the user's."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..config import Config
from ..data import Schema
from ..errors import UserError
from ..models import MultiTaskModel
from ..models.encoders import HF, MLP, encoder_named, is_named
from ..models.encoders.catalogue import resolved
from ..task import Task

#: The one class that comes with polytask and is named as the user's are.
PICTURES = "polytask.models.conv_encoder:ConvEncoder"


@dataclass(frozen=True)
class InputWidths:
    """What a class of the user's is given for a table, with the arguments of :class:`polytask.TableEncoder`.

    Attributes:
        numeric: Width of ``inputs["numeric"]``, float32 ``[B, numeric]``.
        categories: Number of different codes in all categorical columns together.
        categorical: Width of ``inputs["categorical"]``, int32 codes ``[B, categorical]`` below ``categories``.
        text: Width of the sparse ``inputs["text"]``.
    """

    numeric: int
    categories: int
    categorical: int
    text: int

    @classmethod
    def of(cls, schema: Schema) -> InputWidths:
        """The widths of a schema's inputs."""
        return cls(schema.numeric_width, schema.categories, len(schema.categorical_columns), schema.text_width)


def make_network(
    schema: Schema,
    tasks: Sequence[Task],
    model: MLP,
    encoder: str | dict[str, Any] | None,
    seed: int,
    sharing: str = "hard",
    options: Mapping[str, Any] | None = None,
) -> MultiTaskModel:
    """A network with fresh weights; a function of its arguments alone.

    Args:
        schema: States what the inputs are.
        tasks: The network's tasks.
        model: The default encoder.
        encoder: The name or ``{name: ..., its options}`` of one of :data:`~polytask.models.encoders.ENCODERS`, None for
            ``model``. Or ``package.module:Class`` or ``{class: package.module:Class, args: {...}}``; the class is
            called with an :class:`InputWidths` and the arguments, for a folder of arrays with the arguments alone.
        seed: Seed of the weights.
        sharing: How the tasks share, see :class:`~polytask.MultiTaskModel`.
        options: Its options.

    Raises:
        UserError: If a package is missing, the class cannot be imported or made, or the sharing architecture does
        not fit.
    """
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        if encoder is None or is_named(encoder):
            built = (model if encoder is None else encoder_named(encoder)).build(schema)
        else:
            built = _user_encoder(encoder, [InputWidths.of(schema)] if schema.feature_names else [])
        network = MultiTaskModel(built, tasks, sharing=sharing, **(options or {}))
        network.heads.first_item = any(task.definition.items for task in schema.tasks)  # of other networks of the run
        return network
    finally:
        torch.set_rng_state(state)


def network_of(config: Config, schema: Schema, tasks: Sequence[Task], *, plain: bool = False) -> MultiTaskModel:
    """A fresh network as configured; ``plain`` with hard sharing."""
    sharing = ("hard", {}) if plain else (config.sharing, config.sharing_options)
    return make_network(schema, tasks, config.model, config.encoder, config.seed, *sharing)


def check_trusted(encoder: Any, run: Path, trust: bool) -> None:
    """Raise a :class:`UserError` if an encoder that ``run`` names would be imported, unless the user trusts the run."""
    if trust or not isinstance(encoder, str | Mapping) or is_named(encoder):
        return
    if (encoder.get("class") if isinstance(encoder, Mapping) else encoder) == PICTURES:
        return
    raise UserError(
        f"{run}: this run has a custom encoder, {encoder!r}: code that this command would import and run; "
        "if you trust the source of the run, add --trust"
    )


def check_offline(encoder: Any, run: Path, trust: bool) -> None:
    """Raise a :class:`UserError` if a pretrained encoder that ``run`` names would be fetched, unless it is trusted."""
    if trust or encoder is None or not is_named(encoder):
        return
    whole = resolved(encoder)
    if whole["name"] == HF.name and not Path(whole[HF.argument]).expanduser().is_dir():
        raise UserError(f"{run}: this run names the encoder {whole[HF.argument]!r}, which is not a folder here and "
                        "would be downloaded from the Hugging Face hub; if you trust the source of the run, add "
                        "--trust, or give --encoder hf:FOLDER")  # fmt: skip


def _user_encoder(encoder: str | dict[str, Any], given: list[InputWidths]) -> nn.Module:
    spec = {"class": encoder} if isinstance(encoder, str) else dict(encoder)
    unknown = set(spec) - {"class", "args"}
    name = str(spec.get("class", ""))
    args: Any = spec.get("args", {})
    module, colon, attribute = name.partition(":")
    if unknown or not colon or not isinstance(args, dict):
        raise UserError(f"encoder: expected package.module:Class, or its `class` and `args`, found {encoder!r}")
    try:
        if str(Path.cwd()) not in sys.path:  # a module beside the data is what people have
            sys.path.insert(0, str(Path.cwd()))
        built = getattr(importlib.import_module(module), attribute)(*given, **args)
    except (ImportError, AttributeError, TypeError) as error:
        raise UserError(
            f"encoder: cannot make {name} with {'an InputWidths and ' if given else ''}{args}: {error}"
        ) from error
    if not isinstance(built, nn.Module):
        raise UserError(f"encoder: {name} gave a {type(built).__name__}, expected a torch.nn.Module")
    return built
