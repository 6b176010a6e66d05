"""Ways to group tasks, all with one interface: ``propose(context) -> one selection per budget``."""

from polytask.grouping.baselines.catalogue import GROUPINGS, Grouping
from polytask.grouping.baselines.context import Context, Joint, TrainSubset
from polytask.grouping.baselines.higher_order import predict_by_pairs, select_by_pairs
from polytask.grouping.baselines.table import Measured, select_from_table

__all__ = [
    "GROUPINGS",
    "Context",
    "Grouping",
    "Joint",
    "Measured",
    "TrainSubset",
    "predict_by_pairs",
    "select_by_pairs",
    "select_from_table",
]
