"""Further targets for the networks of a finished run; see ``docs/adding-tasks.md``."""

import lazy_loader

#: The names are in `__init__.pyi`; a prediction does not load what trains.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
