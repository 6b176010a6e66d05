"""The configuration of a run: every key once, with its type, range and meaning; nothing here loads PyTorch."""

from .affinity import AffinityOptions
from .config import Config, make_config
from .convergence import ConvergenceOptions, JointOptions, SequentialOptions
from .data import SourceConfig
from .file import apply_overrides, read_config
from .key import Decides, Key, Option, deciding, default_of, is_given, keys_of
from .layout import SECTIONS, as_yaml, flat
from .learning import NetworkSettings
from .section import Section, explained
from .training import Freeze, Pace, TrainingSettings

__all__ = [
    "SECTIONS",
    "AffinityOptions",
    "Config",
    "ConvergenceOptions",
    "Decides",
    "Freeze",
    "JointOptions",
    "Key",
    "NetworkSettings",
    "Option",
    "Pace",
    "Section",
    "SequentialOptions",
    "SourceConfig",
    "TrainingSettings",
    "apply_overrides",
    "as_yaml",
    "deciding",
    "default_of",
    "explained",
    "flat",
    "is_given",
    "keys_of",
    "make_config",
    "read_config",
]
