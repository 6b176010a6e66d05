"""A run: from a table to networks, figures and predictions."""

from ..display.display import Display
from .bundle import Bundle
from .folder import RunFolder
from .pipeline import fit_run

__all__ = ["Bundle", "Display", "RunFolder", "fit_run"]
