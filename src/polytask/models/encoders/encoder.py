"""What an encoder that is chosen by its name has to say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, field_validator

from ...ranges import refuse_absurd

if TYPE_CHECKING:
    from torch import nn

    from ...data import Schema


class Encoder(BaseModel, ABC):
    """The options of an encoder, and how a network's encoder is made of them; the class has the facts.

    A subclass is one file of this package and one line in :data:`polytask.models.encoders.ENCODERS`. Its fields are
    what users may set, and are recorded with every run and every network.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    _no_absurd_numbers = field_validator("*")(refuse_absurd)

    #: Its name in ``encoder: NAME``.
    name: ClassVar[str]
    #: Extra of this project, and those of its packages that must be there.
    extra: ClassVar[str] = ""
    packages: ClassVar[tuple[str, ...]] = ()
    #: Ways of sharing that make sense around it; none: all.
    sharing: ClassVar[tuple[str, ...]] = ()
    #: The option that takes what follows a colon: ``encoder: hf:folder`` is ``{name: hf, source: folder}``.
    argument: ClassVar[str] = ""

    def used_packages(self) -> tuple[str, ...]:
        """Packages whose code is part of the network."""
        return self.packages

    def described(self) -> str:
        """What a message calls it."""
        return f"encoder {self.name!r}"

    def ways_of_sharing(self) -> tuple[str, ...]:
        """Ways of sharing that make sense around it with these options; none: all."""
        return self.sharing

    def made_from(self) -> dict[str, str]:
        """What decides its numbers beside its options and this library: packages and their versions."""
        return {package: version(package) for package in self.used_packages()}

    def schema_options(self) -> dict[str, Any]:
        """What it needs to be learned from the training rows: arguments of :meth:`polytask.data.Schema.fit`."""
        return {}

    @abstractmethod
    def build(self, schema: Schema) -> nn.Module:
        """The module, with fresh weights and an attribute ``out_features``; a function of schema and options alone.

        Its inputs are what :meth:`polytask.data.Schema.encode_inputs` gives. With an attribute ``members`` = M above 1
        its ``[B, M * D]`` are M representations, which have separate heads; see
        :class:`~polytask.models.heads.MemberHeads`.

        Raises:
            UserError: If it does not fit the schema.
        """
