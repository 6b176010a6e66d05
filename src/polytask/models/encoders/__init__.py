"""Encoders by name: one file each."""

import lazy_loader

#: The names are in `__init__.pyi`; the options of `mlp` alone load no PyTorch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
