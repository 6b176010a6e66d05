"""Ways to group tasks, all with one interface: ``propose(context) -> one selection per budget``."""

from .catalogue import GROUPINGS, Grouping
from .context import Context, Joint, TrainSubset
from .higher_order import select_by_pairs
from .table import Measured, select_from_table

__all__ = [
    "GROUPINGS",
    "Context",
    "Grouping",
    "Joint",
    "Measured",
    "TrainSubset",
    "select_by_pairs",
    "select_from_table",
]
