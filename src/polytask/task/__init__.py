"""What one target is: its kind, losses and metric."""

import lazy_loader

#: The names are in `__init__.pyi`; kinds import PyTorch, their names (`polytask.task.names`) do not.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
