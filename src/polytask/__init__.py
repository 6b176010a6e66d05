"""polytask: one library and one command for people who have many targets to predict."""

import lazy_loader

#: The names are in `__init__.pyi`; each is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
