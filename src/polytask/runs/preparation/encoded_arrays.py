"""Images in a folder of arrays, read by a pretrained encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from ...data import Rows
from ...errors import UserError, raise_all
from ...models.encoders import HF
from ...pretrained import VECTORS, ImageReader, Moments, per_word
from ...task import Task
from ...task.kind import WideKind
from .encoded import EncodedColumns, opened


def encode_arrays(
    encoder: HF, tasks: Sequence[Task], parts: Mapping[str, Rows], *, where: str = "arrays", device: str = "cpu"
) -> tuple[EncodedColumns, dict[str, Rows]]:
    """The encoder, and the rows as it gives them to the network: images stay on disk, of a frozen body there are
    features.

    Args:
        encoder: As configured.
        tasks: The tasks, which may have a target for every position.
        parts: Rows by part, with bytes ``[n, 3, size, size]`` as inputs.
        where: Name of the folder in messages.
        device: Where frozen features are computed.

    Raises:
        UserError: If encoder, images and targets do not fit each other.
    """
    checkpoint = opened(encoder)
    if checkpoint.reads != "image":
        raise UserError(f"encoder: hf:{encoder.source} reads texts, and {where} is a folder of arrays; give a network "
                        "of images, or a table with a column of texts")  # fmt: skip
    inputs, size = parts["train"].inputs, encoder.size or checkpoint.image_size
    if inputs.dtype != torch.uint8 or list(inputs.shape[1:]) != [3, size, size]:
        raise UserError(
            f"{where}: hf:{encoder.source} takes bytes of shape [3, {size}, {size}] (red, green and blue, 0 to 255), "
            f"found {str(inputs.dtype).removeprefix('torch.')} of shape {list(inputs.shape[1:])}; write the arrays so"
            + (", or state their `size` if the network takes it" if inputs.shape[-1] != size else "")
        )
    encoded = EncodedColumns(encoder, checkpoint, ImageReader("", size, per_word(tasks)), device=device)
    if encoded.items:
        _check_places(encoded.places(), tasks, parts["train"], where)
    if not encoder.frozen:
        return encoded, dict(parts)
    found = {part: encoded.of_images(rows.inputs, where=where) for part, rows in parts.items()}
    moments = Moments.of(found["train"][VECTORS])
    for vectors in found.values():
        moments.standardise(vectors[VECTORS])
    return replace(encoded, moments=moments), {part: replace(rows, inputs=found[part]) for part, rows in parts.items()}


def _channels(task: Task) -> int:
    """Targets of a task for each position."""
    kind = task.definition
    return kind.channels(len(task.classes)) if isinstance(kind, WideKind) else 1


def _check_places(places: int, tasks: Sequence[Task], rows: Rows, where: str) -> None:
    """Targets by place are as many as the positions, row by row."""
    counts = {
        task.name: rows.wide[position].shape[1] // _channels(task)
        for position, task in enumerate(tasks)
        if task.definition.items
    }
    side = int(places**0.5)
    raise_all([
        f"{where}: target {name!r} has {count} places, and the encoder {places}"
        + (f" ({side} x {side})" if side**2 == places else "")
        + "; write it at that resolution, or use a custom encoder"
        for name, count in counts.items()
        if count != places
    ])  # fmt: skip
