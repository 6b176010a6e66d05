"""What a finished run looks like on the rows that it is measured on: plots as data, in ``plots.json``."""

from .write import write_plots

__all__ = ["write_plots"]
