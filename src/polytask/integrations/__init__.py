"""Pieces for trainings that other libraries run; each framework's adapter is a separate module."""

from .kept_peaks import KeptPeaks

__all__ = ["KeptPeaks"]
