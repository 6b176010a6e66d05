from .heads import LinearHeads, TaskGroup, group_tasks
from .multitask import MultiTaskModel
from .sharing import ARCHITECTURES, SHARING, sharing_options, sharing_problems
from .stages import stages_of
from .table_encoder import TableEncoder
from .take_over import take_over
from .task_encoder import Representation, TaskEncoder, TaskPart

__all__ = [
    "ARCHITECTURES",
    "SHARING",
    "LinearHeads",
    "MultiTaskModel",
    "Representation",
    "TableEncoder",
    "TaskEncoder",
    "TaskGroup",
    "TaskPart",
    "group_tasks",
    "sharing_options",
    "sharing_problems",
    "stages_of",
    "take_over",
]
