from .body import Body, ImageBody, TextBody, make_body, write_plainly
from .checkpoint import FAULTS, KEPT, Checkpoint, open_checkpoint
from .encoder import VECTORS, PretrainedEncoder, dense_layers
from .frozen import Moments, frozen_features
from .images import MEMORY_SHARE, ImageFiles, ImageReader, memory_bytes
from .tokens import NOTHING, TextReader, choose_length, cutting, encode, per_word, texts_of

__all__ = [
    "FAULTS",
    "KEPT",
    "MEMORY_SHARE",
    "NOTHING",
    "VECTORS",
    "Body",
    "Checkpoint",
    "ImageBody",
    "ImageFiles",
    "ImageReader",
    "Moments",
    "PretrainedEncoder",
    "TextBody",
    "TextReader",
    "choose_length",
    "cutting",
    "dense_layers",
    "encode",
    "frozen_features",
    "make_body",
    "memory_bytes",
    "open_checkpoint",
    "per_word",
    "texts_of",
    "write_plainly",
]
