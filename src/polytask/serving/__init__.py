"""A finished run behind HTTP."""

from .application import make_application

__all__ = ["make_application"]
