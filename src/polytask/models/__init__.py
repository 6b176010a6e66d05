"""Encoders, heads and ways of sharing."""

from .heads import LinearHeads, TaskGroup, group_tasks
from .multitask import MultiTaskModel
from .table_encoder import TableEncoder

__all__ = ["LinearHeads", "MultiTaskModel", "TableEncoder", "TaskGroup", "group_tasks"]
