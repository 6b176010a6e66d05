"""Tables, splits, sources and batches."""

import lazy_loader

#: The names are in `__init__.pyi`; the names of a table's columns are read without PyTorch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
