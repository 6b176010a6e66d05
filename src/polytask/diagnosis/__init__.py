"""What an expert would say about a run: each finding with its evidence and the setting to try."""

from .diagnose import diagnose
from .finding import Finding

__all__ = ["Finding", "diagnose"]
