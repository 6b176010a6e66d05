"""The kinds of targets, by name."""

from .base import Kind, WideKind
from .binary import Binary
from .dense import Dense
from .multiclass import Multiclass
from .multilabel import Multilabel
from .ranking import PairwiseRanking, Ranking
from .regression import Regression
from .tags import Tags

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (Binary(), Multiclass(), Regression(), Multilabel(), Ranking(), PairwiseRanking(), Tags(), Dense())
}

__all__ = [
    "KINDS",
    "Binary",
    "Dense",
    "Kind",
    "Multiclass",
    "Multilabel",
    "PairwiseRanking",
    "Ranking",
    "Regression",
    "Tags",
    "WideKind",
]
