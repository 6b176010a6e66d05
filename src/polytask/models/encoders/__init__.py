"""Encoders by name: one file each."""

from .catalogue import ENCODERS, encoder_named, encoder_problems, is_named, resolved
from .encoder import Encoder
from .mlp import MLP

__all__ = ["ENCODERS", "MLP", "Encoder", "encoder_named", "encoder_problems", "is_named", "resolved"]
