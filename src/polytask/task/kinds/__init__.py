"""The kinds of targets, by name."""

from .base import Kind
from .binary import Binary
from .multiclass import Multiclass
from .regression import Regression

KINDS: dict[str, Kind] = {kind.name: kind for kind in (Binary(), Multiclass(), Regression())}

__all__ = ["KINDS", "Binary", "Kind", "Multiclass", "Regression"]
