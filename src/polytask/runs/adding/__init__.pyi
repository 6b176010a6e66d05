from .add import AddingRun

__all__ = ["AddingRun"]
