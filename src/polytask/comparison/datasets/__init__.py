"""Data sets by name: tables that are made from their official files."""

from .registry import DATASETS, with_dataset

__all__ = ["DATASETS", "with_dataset"]
