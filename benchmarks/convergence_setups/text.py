"""The set-up in which every task has its own inputs: five sets of English sentences on frozen sentence vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

import polytask as pt
from polytask.comparison.datasets.sentences import READERS, TREC, Example, read_all

from .sentence_vectors import WIDTH, sentence_vectors
from .setup import Data, Setup

#: Of a pair: both sentence vectors, their distance and their product (of the last layer's half).
PAIR_WIDTH = 4 * WIDTH // 2
HIDDEN = (128, 64)
#: ``vectors(data folder, cache folder)``: vector of every sentence.
Vectors = Callable[[Path, Path], dict[str, Tensor]]


@dataclass(frozen=True)
class SentenceRows:
    """Vectors of sentences and of pairs; an input of :class:`polytask.Rows`, indexable by row.

    Attributes:
        place: ``[n]`` row in ``sentences``, or ``-1 - row`` in ``pairs``.
        sentences: ``[s, 768]``.
        pairs: ``[p, 1536]``.
    """

    place: Tensor
    sentences: Tensor
    pairs: Tensor

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, rows: Tensor | slice) -> SentenceRows:
        return SentenceRows(self.place[rows], self.sentences, self.pairs)

    def to(self, device: torch.device | str) -> SentenceRows:
        return SentenceRows(self.place.to(device), self.sentences.to(device), self.pairs.to(device))


class SentenceEncoder(nn.Module):
    """One first layer for sentences, one for pairs, the rest shared."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.out_features = HIDDEN[1]
        self.sentences, self.pairs = nn.Linear(WIDTH, HIDDEN[0]), nn.Linear(PAIR_WIDTH, HIDDEN[0])
        self.rest = nn.Sequential(nn.ReLU(), nn.Dropout(dropout), nn.Linear(*HIDDEN), nn.ReLU(), nn.Dropout(dropout))

    def forward(self, rows: SentenceRows) -> Tensor:
        single = rows.place >= 0
        first = torch.empty(len(rows), HIDDEN[0])
        first[single] = self.sentences(rows.sentences[rows.place[single]])
        first[~single] = self.pairs(rows.pairs[-1 - rows.place[~single]])
        return self.rest(first)


def load_text(folder: Path, cache: Path, seed: int, vectors: Vectors | None = None) -> Data:
    """Questions (6 classes), subjectivity, grammar (Matthews), paraphrases, similarity (Spearman).

    Args:
        vectors: Gives the vectors by sentence; by default those of a pretrained model.
    """
    sets = read_all(folder / "text", seed)
    vector = (vectors or _vectors)(folder, cache)
    scores = torch.tensor([label for _, label in sets["stsb"]["train"]])
    tasks = (
        pt.Task("trec", "multiclass", classes=TREC),
        pt.Task("subj", metric="accuracy"),
        pt.Task("cola", metric="matthews"),
        pt.Task("mrpc", metric="accuracy"),
        pt.Task("stsb", "regression", metric="spearman", center=float(scores.mean()), scale=float(scores.std())),
    )
    rows, moments = {}, {}
    for part in ("train", "validation", "test"):
        examples = [(number, *example) for number, name in enumerate(READERS) for example in sets[name][part]]
        features = [_features(example, vector) for _, *example in examples]
        inputs = _inputs(features, moments)
        targets = torch.full((len(examples), len(tasks)), torch.nan)
        source = torch.tensor([number for number, *_ in examples])
        targets[torch.arange(len(examples)), source] = torch.tensor([label for *_, label in examples])
        targets[:, -1] = (targets[:, -1] - tasks[-1].center) / tasks[-1].scale
        table = pt.Rows.from_matrix(inputs, targets)
        rows[part] = pt.Rows(table.inputs, table.targets, table.observed, source)

    def network(tasks: tuple[pt.Task, ...], seed: int, dropout: float) -> pt.MultiTaskModel:
        torch.manual_seed(seed)
        return pt.MultiTaskModel(SentenceEncoder(dropout), tasks)

    return Data(tasks, rows, network)


def _features(example: list, vector: dict[str, Tensor]) -> Tensor:
    sentences = example[0]
    if len(sentences) == 1:
        return vector[sentences[0]]
    u, v = (vector[sentence][: WIDTH // 2] for sentence in sentences)
    return torch.cat([u, v, (u - v).abs(), u * v])


def _inputs(features: list[Tensor], moments: dict[str, tuple[Tensor, Tensor]]) -> SentenceRows:
    """Standardised by the moments of the first part that comes, the training rows."""
    single = torch.tensor([len(row) == WIDTH for row in features])
    place = torch.where(single, single.cumsum(0) - 1, -(~single).cumsum(0))
    matrices = {"single": torch.stack([row for row in features if len(row) == WIDTH]),
                "pair": torch.stack([row for row in features if len(row) != WIDTH])}  # fmt: skip
    for name, matrix in matrices.items():
        center, scale = moments.setdefault(name, (matrix.mean(0), matrix.std(0).clamp_min(1e-6)))
        matrices[name] = (matrix - center) / scale
    return SentenceRows(place, matrices["single"], matrices["pair"])


@lru_cache(maxsize=1)
def _vectors(folder: Path, cache: Path) -> dict[str, Tensor]:
    """The vector of every sentence of the five sets."""
    sentences = all_sentences(folder)
    return dict(zip(sentences, sentence_vectors(sentences, cache), strict=True))


def all_sentences(folder: Path) -> list[str]:
    """The sentences of the five sets, each once."""
    sets = read_all(folder / "text", 0)
    examples: list[Example] = [example for parts in sets.values() for part in parts.values() for example in part]
    return sorted({sentence for example, _ in examples for sentence in example})


SETUPS = (
    Setup("text", load_text, 600, 256, 15, (5e-4, 1e-3, 3e-3),
          extra={"sampling": "temperature", "sampling_temperature": 2.0}),
)  # fmt: skip
