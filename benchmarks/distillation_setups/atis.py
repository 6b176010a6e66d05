"""ATIS: one intent per sentence and a tag per word, on a small encoder that sees windows of words."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

import polytask as pt
from convergence_setups.setup import Data

PARTS = {"train": "train", "validation": "dev", "test": "test"}
LENGTH, WIDTH, PADDING, UNKNOWN = 46, 64, 0, 1
#: Share of the training rows that a seed draws; the parts are given.
DRAWN = 0.8


class SentenceEncoder(nn.Module):
    """Embedded words and two layers over windows of three; the first place of the output is the maximum over words.

    Shapes:
        ``[B, L]`` codes, 0 for padding, to ``[B, 1 + L, 64]``, 0 where there is no word.
    """

    def __init__(self, words: int, dropout: float) -> None:
        super().__init__()
        self.out_features = WIDTH
        self.words = nn.Embedding(words, WIDTH, padding_idx=PADDING)
        self.layers = nn.ModuleList(nn.Linear(3 * WIDTH, WIDTH) for _ in range(2))  # cheaper here than Conv1d
        self.dropout = nn.Dropout(dropout)

    def forward(self, codes: Tensor) -> Tensor:
        present = (codes != PADDING)[..., None]
        hidden = self.dropout(self.words(codes))
        for layer in self.layers:
            wide = pad(hidden, (0, 0, 1, 1))
            hidden = layer(torch.cat([wide[:, :-2], hidden, wide[:, 2:]], 2)).relu() * present
        hidden = self.dropout(hidden)
        return torch.cat([hidden.amax(1, keepdim=True), hidden], 1)


def load_atis(folder: Path, cache: Path, seed: int) -> Data:
    """Intent (accuracy) and slots (F1 of spans); the given parts, of which a seed draws training rows."""
    raw, vocabulary, intents, slots = _read(folder / "atis")
    tasks = (
        pt.Task("intent", "multiclass", classes=intents, metric="accuracy"),
        pt.Task("slots", "tags", classes=slots, metric="span_f1"),
    )
    rows = {}
    for part, sentences in raw.items():
        codes = torch.zeros(len(sentences), LENGTH, dtype=torch.long)
        tags = torch.full((len(sentences), LENGTH), torch.nan)
        for number, (words, labels, _) in enumerate(sentences):
            codes[number, : len(words)] = torch.tensor([vocabulary.get(word, UNKNOWN) for word in words])
            tags[number, : len(words)] = torch.tensor([float(_place(label, slots)) for label in labels])
        intent = torch.tensor([float(_place(name, intents)) for *_, name in sentences])
        rows[part] = pt.Rows.from_labels(codes, {"intent": intent, "slots": tags}, tasks)
    count = len(rows["train"])
    drawn = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[: round(DRAWN * count)]
    rows["train"] = rows["train"].subset(drawn)

    def network(tasks: tuple[pt.Task, ...], seed: int, dropout: float) -> pt.MultiTaskModel:
        torch.manual_seed(seed)
        model = pt.MultiTaskModel(SentenceEncoder(len(vocabulary) + 2, dropout), tasks)
        model.heads.first_item = True  # the model of the intent alone, too
        return model

    return Data(tasks, rows, network)


@lru_cache(maxsize=1)
def _read(folder: Path):
    """Sentences ``(words, tags, intent)`` by part; codes of the training words; names of the classes of both tasks."""
    raw = {}
    for part, name in PARTS.items():
        lines = [
            (folder / name / file).read_text(encoding="utf-8").splitlines() for file in ("seq.in", "seq.out", "label")
        ]
        raw[part] = [(words.split(), tags.split(), intent.strip()) for words, tags, intent in zip(*lines, strict=True)]
    known = sorted({word for words, *_ in raw["train"] for word in words})
    vocabulary = {word: number for number, word in enumerate(known, UNKNOWN + 1)}
    intents, slots = (
        tuple(name for name in (folder / f"{kind}_label.txt").read_text(encoding="utf-8").split() if name != "PAD")
        for kind in ("intent", "slot")
    )
    return raw, vocabulary, intents, slots


def _place(name: str, classes: tuple[str, ...]) -> int:
    return classes.index(name if name in classes else "UNK")
