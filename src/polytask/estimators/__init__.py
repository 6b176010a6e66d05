"""A run for people who have a data frame: fit, predict and look at the results in Python."""

from .predictor import TablePredictor, load
from .scikit import MultiTaskClassifier, MultiTaskEstimator, MultiTaskRegressor

__all__ = ["MultiTaskClassifier", "MultiTaskEstimator", "MultiTaskRegressor", "TablePredictor", "load"]
