"""Tables, splits, sources and batches."""

from .rows import Batch, Inputs, Rows
from .sparse import SparseRows

__all__ = ["Batch", "Inputs", "Rows", "SparseRows"]
