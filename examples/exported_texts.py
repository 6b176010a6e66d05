"""An exported model of texts without polytask: onnxruntime, and tokenizers for the tokenizer that is in the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Encoding, Tokenizer


class Texts:
    """Predictions of a file of ``polytask export --format onnx`` whose inputs are one or two columns of texts.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        held = self.session.get_modelmeta().custom_metadata_map
        self.about = json.loads(held["polytask.json"])
        self.tokenizer = Tokenizer.from_str(held["tokenizer.json"])  # it cuts as it did in training

    def inputs(self, *columns: Sequence[str]) -> dict[str, np.ndarray]:
        """Token numbers of the texts, in the order of ``about["inputs"]["tokens"]["columns"]``."""
        split = self.about["inputs"]["tokens"]["split_at_blanks"]
        rows = zip(*([text.split() if split else text for text in column] for column in columns), strict=True)
        # A pair without its second text is read as the first alone.
        found = self.tokenizer.encode_batch([row if len(row) == 2 and row[1] else row[0] for row in rows],
                                            is_pretokenized=split)  # fmt: skip
        made = {
            "input_ids": padded([row.ids for row in found]),
            "attention_mask": padded([row.attention_mask for row in found]),
            "token_type_ids": padded([row.type_ids for row in found]),
        }
        if split:
            counts = [len(text.split()) for text in columns[0]]
            made["words"] = padded([begins(*pair) for pair in zip(found, counts, strict=True)], blank=-1, least=1)
        return {entry.name: made[entry.name] for entry in self.session.get_inputs() if entry.name in made}

    def __call__(self, *columns: Sequence[str], **others: np.ndarray) -> dict[str, np.ndarray]:
        """Values, or probabilities of ``about["outputs"][task]["classes"]``, by task; others: such as ``numeric``."""
        values = self.session.run(list(self.about["outputs"]), self.inputs(*columns) | others)
        return dict(zip(self.about["outputs"], values, strict=True))


def begins(row: Encoding, words: int) -> list[int]:
    """The place of the first token of every word of the first text; -1 where it was cut off."""
    places = list(zip(row.sequence_ids, row.word_ids, strict=True))
    return [places.index((0, word)) if (0, word) in places else -1 for word in range(words)]


def padded(rows: list[list[int]], blank: int = 0, least: int = 2) -> np.ndarray:
    """``[n, longest]`` int64."""
    width = max(least, *map(len, rows))
    return np.array([row + [blank] * (width - len(row)) for row in rows], np.int64)
