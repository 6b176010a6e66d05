"""What predictions look like beside the labels: plots as data, which a report draws."""

from .chart import Curve, Graph, Matrix, plot_of_dict

__all__ = ["Curve", "Graph", "Matrix", "plot_of_dict"]
