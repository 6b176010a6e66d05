"""Encoders, heads and sharing architectures."""

import lazy_loader

#: The names are in `__init__.pyi`; options of encoders are data, and load no PyTorch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
