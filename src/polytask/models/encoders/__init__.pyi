from .catalogue import ENCODERS, encoder_named, encoder_problems, is_named, resolved
from .encoder import Encoder
from .hf import HF
from .mlp import MLP

__all__ = ["ENCODERS", "HF", "MLP", "Encoder", "encoder_named", "encoder_problems", "is_named", "resolved"]
