"""A checkpoint of Hugging Face's transformers: safetensors alone, and no code that comes with it."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from safetensors import SafetensorError
from torch import nn

from ..errors import UserError, used_up
from ..files import read_json, sha256

#: What is fetched from a hub: no pickled weights, no code.
PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model")
CONFIG, PICTURES = "config.json", "preprocessor_config.json"
#: A run has written this folder for itself: weights of a network that was tuned are with the run's networks.
KEPT = "polytask.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
#: Their positions begin behind that of the padding token.
OFFSET_POSITIONS = ("roberta", "camembert", "mpnet", "longformer")

#: What transformers raises for checkpoints that it cannot use.
FAULTS = (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError, RuntimeError, SafetensorError)

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Checkpoint:
    """A folder with a configuration, weights as safetensors, and a tokenizer if it is for texts.

    Attributes:
        folder: Where it lies.
        name: What the user calls it.
        config: Content of its ``config.json``.
    """

    folder: Path
    name: str
    config: dict[str, Any]

    @property
    def reads(self) -> Literal["text", "image"]:
        """What it is for."""
        return "image" if "num_channels" in self.config and "vocab_size" not in self.config else "text"

    @property
    def kind(self) -> str:
        """The architecture, such as ``bert``."""
        return str(self.config.get("model_type", "unknown"))

    @property
    def width(self) -> int:
        """Length of its vectors."""
        settings = self._settings
        return int(settings.hidden_sizes[-1] if hasattr(settings, "hidden_sizes") else settings.hidden_size)

    @cached_property
    def _settings(self) -> Any:
        from transformers import AutoConfig

        return self._load(lambda: AutoConfig.from_pretrained(self.folder, trust_remote_code=False))

    def tokenizer(self, *, words: bool = False) -> Any:
        """Its tokenizer.

        Args:
            words: Texts come as lists of words.
        """
        from transformers import AutoTokenizer

        options = {"add_prefix_space": True} if words else {}
        found = self._load(lambda: AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False, **options))
        if not found.is_fast:
            raise UserError(f"encoder: {self.name} has no fast tokenizer (tokenizer.json), by which words are found; "
                            "convert it with transformers.AutoTokenizer and save it again")  # fmt: skip
        if found.pad_token_id is None:
            found.pad_token = found.eos_token or found.unk_token
        return found

    def longest(self, tokenizer: Any) -> int:
        """Most tokens that it takes."""
        positions = self.config.get("max_position_embeddings") or self.config.get("n_positions") or 512
        if any(name in self.kind for name in OFFSET_POSITIONS):
            positions -= int(self.config.get("pad_token_id") or 1) + 1
        return int(min(positions, tokenizer.model_max_length))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its files."""
        return hashlib.sha256("".join(sha256(path) for path in self._files()).encode()).hexdigest()

    @property
    def kept(self) -> bool:
        """It is what a run has kept, without weights if they are with the run's networks."""
        return (self.folder / KEPT).is_file()

    def network(self) -> nn.Module:
        """The network with its weights; with random ones, which those of the run are to replace, if it has none."""
        from transformers import AutoModel

        safe = {"use_safetensors": True, "trust_remote_code": False}
        if _has_weights(self.folder):
            network = self._load(lambda: AutoModel.from_pretrained(self.folder, **safe))
        else:
            network = self._load(lambda: AutoModel.from_config(self._settings, trust_remote_code=False))
        pooler = getattr(network, "pooler", None)
        if pooler is not None and list(pooler.parameters()):
            network.pooler = None  # a layer above [CLS] that the features here do not pass through
        return network

    def images(self) -> dict[str, Any]:
        """How images are prepared; empty if it does not say."""
        path = self.folder / PICTURES
        return read_json(path) if path.is_file() else {}

    @property
    def image_size(self) -> int:
        """Height and width of the images that it was made for."""
        said = self.images().get("size")
        found = (said.get("height") or said.get("shortest_edge")) if isinstance(said, dict) else said
        found = self.config.get("image_size") or found or 224
        return int(found[0] if isinstance(found, list) else found)

    def copy_to(self, folder: Path, *, weights: bool) -> None:
        """Copy it, so that a run needs it no more; of a network that is tuned the weights are with the run's own."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in self._files():
            if weights or not (path.suffix == ".safetensors" or path.name in WEIGHTS):
                shutil.copyfile(path, folder / path.name)

    def _files(self) -> list[Path]:
        return [path for path in sorted(self.folder.iterdir()) if any(path.match(pattern) for pattern in PATTERNS)]

    def _load(self, load: Callable[[], Loaded]) -> Loaded:
        """Without its progress bars and remarks; what it states about a damaged checkpoint as one message."""
        try:
            with _quiet():
                return load()
        except FAULTS as error:
            if used_up(error):
                raise
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UserError(f"encoder: {self.name} cannot be loaded as {self.kind}: {said}; expected a checkpoint of "
                            "transformers without custom code (save_pretrained writes one)") from None  # fmt: skip


def _has_weights(folder: Path) -> bool:
    return any((folder / file).is_file() for file in WEIGHTS)


def open_checkpoint(name: str) -> Checkpoint:
    """A checkpoint by its folder, or by its name on the hub (which is fetched once, or found in the cache).

    Raises:
        UserError: If it is not there, its weights are pickled, or it is no encoder.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if name.startswith((".", "/", "~")) or name.count("/") > 1:
            raise UserError(f"encoder: there is no folder {name}; expected one with {CONFIG} and {WEIGHTS[0]}")
        folder = _fetched(name)
    if not (folder / CONFIG).is_file():
        raise UserError(f"encoder: {name} has no {CONFIG}; expected a checkpoint of transformers")
    if not _has_weights(folder) and not (folder / KEPT).is_file():
        pickled = [path.name for pattern in ("*.bin", "*.pt", "*.h5") for path in sorted(folder.glob(pattern))]
        found = f"found {', '.join(pickled)}, which can run code when it is loaded" if pickled else "found none"
        raise UserError(f"encoder: {name} needs weights as {WEIGHTS[0]}, {found}; if you trust it, convert it: "
                        "AutoModel.from_pretrained(...).save_pretrained(FOLDER)")  # fmt: skip
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"encoder: {folder / CONFIG} is damaged ({error})") from None
    if config.get("is_encoder_decoder"):
        raise UserError(f"encoder: {name} is an encoder with a decoder ({config.get('model_type')}); "
                        "use an encoder such as BERT, RoBERTa, ViT or ConvNeXt")  # fmt: skip
    return Checkpoint(folder, name, config)


def _fetched(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        with _quiet():
            return Path(snapshot_download(name, allow_patterns=list(PATTERNS)))
    except Exception as error:  # its own, of the network below it, of names: all mean that there is none
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"encoder: {name!r} is not a folder here and cannot be downloaded from the Hugging Face hub "
                        f"({said}); download it elsewhere and give its folder: hf:path/to/folder"
                        ) from None  # fmt: skip


@contextmanager
def _quiet() -> Iterator[None]:
    """Progress bars and remarks of transformers are of no use here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
