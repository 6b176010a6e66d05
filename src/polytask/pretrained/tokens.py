"""Columns of text as token numbers: one row of numbers per row of the table, of fixed width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ..task import Task

#: Where there is no token, or no word.
NOTHING = -1
#: Texts that are tokenised at a time.
BLOCK = 4096
#: Share of the training rows that are to be whole.
WHOLE = 0.99


@dataclass(frozen=True)
class TextReader:
    """How texts become numbers of tokens.

    Attributes:
        columns: One column, or two: a pair of sentences. Where the second is empty, the first is read alone.
        max_length: Most tokens of a row, special ones and both sentences included; what is longer is cut.
        words: Also say where words (what stands between blanks) of the first column begin, for a target per word.
    """

    columns: tuple[str, ...]
    max_length: int
    words: bool = False

    def __call__(self, table: pa.Table, tokenizer: Any) -> dict[str, Tensor]:
        """The tokens of all rows.

        Returns:
            ``tokens``: ``[n, L]`` int32, -1 behind the end, L that of the longest row; ``second``: ``[n, L]`` bool,
            tokens of the second kind (the second sentence), if there are two columns; ``words``: ``[n, W]`` int16, the
            place of the first token of every word, -1 where there is none or it is cut off.
        """
        texts, tokenizer = [texts_of(table, name) for name in self.columns], cutting(tokenizer, self.max_length)
        blocks = [
            self._block([column[start : start + BLOCK] for column in texts], tokenizer)
            for start in range(0, max(1, table.num_rows), BLOCK)
        ]
        return {name: _stacked([block[name] for block in blocks]) for name in blocks[0]}

    def _block(self, texts: list[list[str]], tokenizer: Any) -> dict[str, Tensor]:
        encodings = encode(texts, tokenizer, words=self.words)
        found = {"tokens": [encoding.ids for encoding in encodings]}
        if len(self.columns) == 2:
            found["second"] = [encoding.type_ids for encoding in encodings]
        if self.words:
            counts = [len(text.split()) for text in texts[0]]
            found["words"] = [_starts(*pair) for pair in zip(encodings, counts, strict=True)]
        kinds = {"tokens": torch.int32, "second": torch.bool, "words": torch.int16}
        blank = {"tokens": NOTHING, "second": 0, "words": NOTHING}
        return {name: _padded(rows, blank[name]).to(kinds[name]) for name, rows in found.items()}


def per_word(tasks: Sequence[Task]) -> bool:
    """Whether a task has a target for every word or position."""
    return any(task.definition.items for task in tasks)


def texts_of(table: pa.Table, name: str) -> list[str]:
    """A column's texts, empty where missing."""
    return [text or "" for text in table[name].cast(pa.string()).to_pylist()]


def cutting(tokenizer: Any, max_length: int | None) -> Any:
    """The tokenizer of the package ``tokenizers`` in one of transformers, set to cut at ``max_length`` tokens, if at
    all, and not to pad. Its ``to_str()`` is all that makes the same tokens elsewhere."""
    inner = tokenizer.backend_tokenizer
    inner.no_padding()
    if max_length is None:
        inner.no_truncation()
    else:
        inner.enable_truncation(max_length, direction=tokenizer.truncation_side)
    return inner


def encode(texts: Sequence[Sequence[str]], tokenizer: Any, *, words: bool = False) -> list[Any]:
    """Encodings of one or two columns of texts, row by row, by a tokenizer from :func:`cutting`."""
    rows = zip(*([text.split() if words else text for text in column] for column in texts), strict=True)
    given = [row if len(row) == 2 and row[1] else row[0] for row in rows]
    return list(tokenizer.encode_batch(given, is_pretokenized=words))


def choose_length(lengths: np.ndarray, longest: int, *, all_of: bool) -> int:
    """Most tokens of a row: enough for 99 % of the rows (``all_of``: for all), and no more than the encoder takes.

    Example:
        >>> choose_length(np.array([5] * 99 + [300]), 512, all_of=False)
        8
        >>> choose_length(np.array([5] * 99 + [600]), 512, all_of=True)
        512
    """
    wanted = lengths.max(initial=1) if all_of else np.quantile(lengths, WHOLE, method="lower") if len(lengths) else 1
    return int(min(longest, -(-int(wanted) // 8) * 8))


def _starts(encoding: Any, count: int) -> list[int]:
    """The position of the first token of every word of the first sentence."""
    starts = [NOTHING] * count
    for place, (word, part) in enumerate(zip(encoding.word_ids, encoding.sequence_ids, strict=True)):
        if part == 0 and word is not None and starts[word] == NOTHING:
            starts[word] = place
    return starts


def _padded(rows: list[list[int]], blank: int) -> Tensor:
    width = max([1, *map(len, rows)])
    return torch.tensor([[*row, *[blank] * (width - len(row))] for row in rows]).view(len(rows), width)


def _stacked(blocks: list[Tensor]) -> Tensor:
    """Blocks of different widths under one another."""
    width = max(block.shape[1] for block in blocks)
    blank = 0 if blocks[0].dtype == torch.bool else NOTHING
    return torch.cat([torch.nn.functional.pad(block, (0, width - block.shape[1]), value=blank) for block in blocks])
