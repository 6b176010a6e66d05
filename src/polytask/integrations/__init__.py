"""Pieces for trainings that other libraries run; each framework's adapter is a module of its own."""

from .kept_peaks import KeptPeaks

__all__ = ["KeptPeaks"]
