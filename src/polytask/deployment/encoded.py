"""What a pretrained encoder reads, in an exported file: token numbers or images instead of cells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..pretrained import NOTHING, VECTORS, ImageReader, TextReader, cutting
from ..runs.preparation.encoded import EncodedColumns

#: Name under which the tokenizer is found in the file.
TOKENIZER = "tokenizer.json"
#: Some networks cannot be written for a length of 1, which only tokenizers without special tokens make.
LEAST_TOKENS = 2
#: What networks here call it, and what networks of texts do.
BESIDE = (("second", "token_type_ids"), ("words", "words"))


class EncodedInputs(nn.Module):
    """From token numbers or images to what networks take: these, or the standardised features of a frozen body.

    Shapes:
        Takes ``input_ids``, ``attention_mask`` and ``token_type_ids`` ``[n, length]`` and ``words`` ``[n, most]``, or
        ``pictures`` ``[n, 3, size, size]``; see :func:`encoded_inputs`.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, encoded: EncodedColumns) -> None:
        super().__init__()
        self.body = encoded.body if encoded.frozen else None
        self.most_tokens = encoded.reader.max_length if isinstance(encoded.reader, TextReader) else None
        if encoded.moments is not None:
            self.register_buffer("center", encoded.moments.center)
            self.register_buffer("scale", encoded.moments.scale)

    def forward(self, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if "pictures" in given:
            inputs = {"pictures": given["pictures"]}
        else:
            inputs = {"tokens": torch.where(given["attention_mask"] > 0, given["input_ids"], NOTHING)}
            inputs |= {
                own: given[name] for own, name in (("second", "token_type_ids"), ("words",) * 2) if name in given
            }
        if self.body is None:
            return inputs
        return {VECTORS: (self.body(inputs).float() - self.center) / self.scale}


def encoded_inputs(
    encoded: EncodedColumns, table: pa.Table, *, folder: Path, where: str = "table"
) -> dict[str, Tensor]:
    """What :class:`EncodedInputs` takes, for the rows of a table: token numbers are int64, images bytes.

    Args: see :meth:`polytask.runs.preparation.encoded.EncodedColumns.inputs`.
    """
    if isinstance(encoded.reader, ImageReader):
        return {"pictures": encoded.reader.files(table, folder, where=where)[:]}
    found = encoded.reader(table, encoded.tokenizer)
    present = found["tokens"] != NOTHING
    inputs = {"input_ids": torch.where(present, found["tokens"], 0), "attention_mask": present}
    inputs |= {name: found[own] for own, name in BESIDE if own in found}
    short = max(0, LEAST_TOKENS - present.shape[1])
    padded = {name: F.pad(value, (0, short)) if name != "words" else value for name, value in inputs.items()}
    return {name: value.long() for name, value in padded.items()}


def encoded_description(encoded: EncodedColumns) -> dict[str, Any]:
    """What somebody needs to know to make these inputs, as JSON-able values."""
    reader = encoded.reader
    if isinstance(reader, ImageReader):
        type = "uint8 [n, 3, height, width]: red, green and blue, stretched (bilinear); 128 where missing"
        return {"pictures": {"type": type, "columns": [reader.column], "height": reader.size, "width": reader.size}}
    names = ["input_ids", "attention_mask", *["token_type_ids"] * (len(reader.columns) == 2)]
    about: dict[str, Any] = {
        "type": f"{', '.join(names)}: int64 [n, length >= {LEAST_TOKENS}]; attention_mask is 0 behind the end",
        "columns": list(reader.columns),
        "tokenizer": f"{TOKENIZER} in this file, for the package tokenizers; it cuts at max_length",
        "max_length": reader.max_length,
        "split_at_blanks": reader.words,
    }
    if reader.words:
        about["words"] = (
            f"int64 [n, most words]: position of the first token of each word, {NOTHING} where there is none"
        )
    return {"tokens": about}


def carried_files(encoded: EncodedColumns | None) -> dict[str, str]:
    """Text by name of what an exported file holds besides: the tokenizer, as its package reads it."""
    if encoded is None or not isinstance(encoded.reader, TextReader):
        return {}
    return {TOKENIZER: cutting(encoded.tokenizer, encoded.reader.max_length).to_str()}
