"""The report and the figures of a comparison."""

from .page import comparison_results, figures, write_comparison, write_figures, write_front

__all__ = ["comparison_results", "figures", "write_comparison", "write_figures", "write_front"]
