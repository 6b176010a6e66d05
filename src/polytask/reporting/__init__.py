"""The report on a run: one HTML file, with nothing to load from elsewhere."""

from .build import write_report
from .export import export_run

__all__ = ["export_run", "write_report"]
