"""A finished run out of Python's hands: one file that predicts."""

from .deployed import DeployedModel, deployed_inputs, description
from .export import FORMATS, export_run, is_exported

__all__ = ["FORMATS", "DeployedModel", "deployed_inputs", "description", "export_run", "is_exported"]
