"""A run: from a table to networks, figures and predictions."""

from ..display.display import Display
from ..records.folder import RunFolder
from .bundle import Bundle
from .pipeline import fit_run

__all__ = ["Bundle", "Display", "RunFolder", "fit_run"]
