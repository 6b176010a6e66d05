"""The page that shows what a run did: one HTML file, with nothing to load from elsewhere."""

from .build import write_report

__all__ = ["write_report"]
