"""The encoder, and how the tasks of a network share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import model_validator

from ..errors import UserError
from ..models.encoders.mlp import MLP
from .key import Key, Option
from .section import Section

if TYPE_CHECKING:
    from .config import Config

Sharing = Literal["hard", "mmoe", "cgc", "ple", "cross_stitch", "mtan"]


class ModelKeys(Section):
    """Network."""

    title: ClassVar[str] = "Network"
    section: ClassVar[str] = "model"

    encoder: Annotated[str | dict[str, Any] | None, Key(
        "mlp, resnet, ft_transformer, tabm, chemprop or hf, or {name: one of them, its options}; or a custom class: "
        "package.module:Class, or {class: ..., args: {...}}.",
        Option(str, "NAME",
               "mlp, resnet, ft_transformer, tabm, chemprop or hf:FOLDER; or a custom package.module:Class "
               "[default: mlp]"),
    )] = None  # fmt: skip
    model: Annotated[MLP, Key("Options of the default encoder, mlp.", inside="")] = MLP()
    sharing: Annotated[Sharing, Key(
        "How the tasks of a network share layers.",
        Option(str, "NAME", "how tasks share layers: hard, mmoe, cgc, ple, cross_stitch or mtan"),
        of_first_run=True,
    )] = "hard"  # fmt: skip
    sharing_options: Annotated[dict[str, int | float], Key(
        "Options of the sharing architecture, such as {experts: 4}.", of_first_run=True,
    )] = {}  # noqa: RUF012  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _whole_encoder(cls, values: Any) -> Any:
        """A named encoder is recorded with its defaults, the default one under ``model``."""
        spec = values.get("encoder") if isinstance(values, dict) else None
        if not isinstance(spec, str | dict):
            return values
        from ..models.encoders import encoder_problems, is_named, resolved  # with PyTorch

        if not is_named(spec) or encoder_problems(spec, "hard"):
            return values
        whole = resolved(spec)
        if whole["name"] != MLP.name:
            return {**values, "encoder": whole}
        given = {} if isinstance(spec, str) or len(spec) == 1 else whole
        if given and values.get("model"):
            raise UserError("model: are options of encoder mlp, as those in encoder: {name: mlp, ...}; give only one")
        return {**values, "encoder": None} | (
            {"model": {k: v for k, v in given.items() if k != "name"}} if given else {}
        )


def model_problems(config: Config) -> Iterator[str]:
    """Problems with the encoder and the sharing architecture."""
    if config.sharing_options or config.sharing != "hard":
        from ..models import sharing_problems

        yield from sharing_problems(config.sharing, config.sharing_options)
    if config.encoder is not None:
        from ..models.encoders import encoder_problems

        yield from encoder_problems(config.encoder, config.sharing)
        if config.model != MLP():
            yield ("model: are options of the default encoder, mlp, and have no effect with another; write encoder: "
                   "{name: ..., its options}")  # fmt: skip
