"""Distillation: when a task has converged, and the soft labels it then learns from."""

import lazy_loader

#: The names are in `__init__.pyi`; a prediction does not load what trains.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
