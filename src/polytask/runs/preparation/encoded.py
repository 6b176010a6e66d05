"""The columns of a table that a pretrained encoder reads, as inputs of a network."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from ...config import Config
from ...data import Schema
from ...errors import UserError
from ...files import read_json, write_bytes, write_json
from ...models.encoders import HF
from ...pretrained import (
    FAULTS,
    KEPT,
    MEMORY_SHARE,
    VECTORS,
    Body,
    Checkpoint,
    ImageReader,
    Moments,
    TextReader,
    choose_length,
    cutting,
    encode,
    frozen_features,
    make_body,
    memory_bytes,
    open_checkpoint,
    per_word,
    texts_of,
)

MOMENTS = "moments.safetensors"
#: Rows of which images are decoded at a time where only their features are kept.
BLOCK = 512
#: Training rows of which the length of texts is found.
SAMPLE = 20_000


@dataclass(frozen=True)
class EncodedColumns:
    """Texts or images of a table as what a network takes: tokens, images, or the features of a frozen body.

    Attributes:
        encoder: As configured.
        checkpoint: The encoder.
        reader: From cells to tensors.
        moments: Of frozen features over the training rows.
        note: What the user should know, such as the share of rows that are cut.
        device: Where frozen features are computed.
    """

    encoder: HF
    checkpoint: Checkpoint
    reader: TextReader | ImageReader
    moments: Moments | None = None
    note: str = ""
    device: str = "cpu"

    @classmethod
    def fit(
        cls,
        encoder: HF,
        schema: Schema,
        table: pa.Table,
        train: np.ndarray,
        *,
        where: str = "table",
        device: str = "cpu",
    ) -> EncodedColumns:
        """Learn what the training rows need: the length of texts.

        Args:
            encoder: As configured.
            schema: States which columns are to be read so.
            table: All rows.
            train: ``[n]`` bool, the training rows.
            where: Name of the table in messages.
            device: Where frozen features are computed.

        Raises:
            UserError: If the checkpoint cannot be used, or does not fit the columns.
        """
        checkpoint = opened(encoder)
        names = tuple(column.name for column in schema.encoded)
        most = 2 if checkpoint.reads == "text" else 1
        if not 1 <= len(names) <= most:
            what = "text (two: a pair)" if most == 2 else "paths of images"
            remedy = "ignore the others" if names else f"state its kind: column_kind: {{COLUMN: {checkpoint.reads}}}"
            reads = "one or two columns" if most == 2 else "one column"
            raise UserError(f"{where}: encoder hf:{encoder.source} reads {reads} of {what}, found "
                            f"{', '.join(names) or 'none'}; {remedy}")  # fmt: skip
        if checkpoint.reads == "image":
            size = encoder.size or checkpoint.image_size
            found = cls(encoder, checkpoint, ImageReader(names[0], size), device=device)
            if encoder.size:
                found.places()
            return found
        words = per_word(schema.tasks)
        tokenizer = checkpoint.tokenizer(words=words)
        rows = table.select(list(names)).take(np.flatnonzero(train)[:SAMPLE])
        encodings = encode([texts_of(rows, name) for name in names], cutting(tokenizer, None), words=words)
        lengths = np.array([len(encoding.ids) for encoding in encodings])
        longest = checkpoint.longest(tokenizer)
        if encoder.max_length is not None and encoder.max_length > longest:
            raise UserError(f"encoder: max_length {encoder.max_length} is more than {encoder.source} takes: {longest}")
        length = encoder.max_length or choose_length(lengths, longest, all_of=words)
        cut = float((lengths > length).mean()) if len(lengths) else 0.0
        note = f"up to {length} tokens, {100 * cut:.1f} % of the training rows are cut"
        return cls(encoder, checkpoint, TextReader(names, length, words), note=note, device=device)

    @property
    def frozen(self) -> bool:
        """The body does not train: its features are the inputs."""
        return self.encoder.frozen

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, of which there are none in a folder of arrays."""
        if isinstance(self.reader, TextReader):
            return self.reader.columns
        return (self.reader.column,) if self.reader.column else ()

    @property
    def items(self) -> bool:
        """Features are by word or position."""
        return self.reader.words if isinstance(self.reader, TextReader) else self.reader.items

    @property
    def one_vector(self) -> bool:
        """Inputs are a vector of numbers per row."""
        return self.frozen and not self.items

    def places(self) -> int:
        """Positions of an image for which the network has a vector.

        Raises:
            UserError: If it takes no images of this size.
        """
        assert isinstance(self.reader, ImageReader)
        size, body = self.reader.size, make_body(self.checkpoint, self.encoder.pooling, items=True).eval()
        try:
            with torch.no_grad():
                return int(body(torch.zeros(1, 3, size, size, dtype=torch.uint8)).shape[1]) - 1
        except FAULTS as error:
            raise UserError(f"encoder: {self.encoder.source} takes no images of {size} x {size} ({error}); leave "
                            "size out, or give one that it takes") from None  # fmt: skip

    def fitted(self, table: pa.Table, train: np.ndarray, **options: Any) -> tuple[EncodedColumns, dict[str, Any]]:
        """The same with the moments of frozen features over the training rows, and the inputs of all rows.

        Args:
            table: All rows.
            train: ``[n]`` bool, the training rows.
            **options: See :meth:`inputs`.
        """
        found = self.inputs(table, **options)
        if not self.frozen:
            return self, found
        moments = Moments.of(found[VECTORS][torch.from_numpy(np.flatnonzero(train))])
        moments.standardise(found[VECTORS])
        return replace(self, moments=moments), found

    def of_images(self, images: Tensor, *, where: str = "images") -> Any:
        """Inputs of images that are arrays, ``[n, 3, size, size]`` bytes: as they are, or features of a frozen body."""
        if not self.frozen:
            return images
        if self.items:
            self.check_memory(len(images), 1 + self.places(), where)
        vectors = frozen_features(self.body, images, self.device)
        return {VECTORS: vectors if self.moments is None else self.moments.standardise(vectors)}

    def inputs(self, table: pa.Table, *, folder: Path, where: str = "table") -> dict[str, Any]:
        """Inputs of a table's rows.

        Args:
            table: Has the columns.
            folder: That of the table, to which paths are relative.
            where: Name of the table in messages.

        Returns:
            What the reader gives (``tokens`` and what belongs to them, or ``pictures``, which may be files that are
            read when they are wanted); of a frozen body ``vectors`` ``[n, D]``, or ``[n, 1 + W, D]`` with a task per
            word.
        """
        if isinstance(self.reader, TextReader):
            tokens = self.reader(table, self.tokenizer)
            if not self.frozen:
                return tokens
            if self.items:
                self.check_memory(len(tokens["tokens"]), 1 + tokens["words"].shape[1], where)
            vectors = frozen_features(self.body, tokens, self.device)
        elif self.frozen:
            blocks = self.reader.blocks(table, folder, BLOCK, where=where)
            vectors = torch.cat([frozen_features(self.body, block, self.device) for block in blocks])
        else:
            return {"pictures": self.reader(table, folder, where=where)}
        return {VECTORS: vectors if self.moments is None else self.moments.standardise(vectors)}

    def check_memory(self, rows: int, places: int, where: str) -> None:
        """Vectors of words and positions take much."""
        size, memory = 4 * rows * places * self.checkpoint.width, memory_bytes()
        if size > MEMORY_SHARE * memory:
            raise UserError(f"{where}: frozen features of {rows:,} rows with up to {places - 1} words or positions "
                            f"take {size / 2**30:.1f} GiB, more than a quarter of memory ({memory / 2**30:.0f} GiB); "
                            "use tune: full, or fewer rows, shorter texts or smaller images")  # fmt: skip

    @cached_property
    def tokenizer(self) -> Any:
        """What the reader of texts takes."""
        assert isinstance(self.reader, TextReader)
        return self.checkpoint.tokenizer(words=self.reader.words)

    @cached_property
    def body(self) -> Body:
        """The frozen network."""
        return make_body(self.checkpoint, self.encoder.pooling, items=self.items)

    def describe(self, rows: int, *, stored: bool = False) -> str:
        """A line that states what becomes of the columns.

        Args:
            rows: Of the table, for the memory that images take.
            stored: The table stays in its file.
        """
        once = "in every epoch, as the table is read" if stored else "once"
        how = f"frozen: its features are computed {once}" if self.frozen else "trained with the rest"
        note = self.note
        if isinstance(self.reader, ImageReader):
            note = f"{self.reader.size} x {self.reader.size} pixels"
            if not self.frozen:
                size = f"{self.reader.bytes(rows) / 2**20:.1f} MiB"
                note += f", {size} in memory" if self.reader.fits(rows) else f"; {size} are read while training"
        columns = ", ".join(self.columns) or "images"
        return f"{self.checkpoint.kind} {self.encoder.source} reads {columns} ({how}; {note})"

    def save(self, folder: Path) -> None:
        """Write all that reading other tables takes; the weights of a body that trains are with the networks."""
        self.checkpoint.copy_to(folder, weights=self.frozen)
        if self.moments is not None:
            write_bytes(folder / MOMENTS, save({"center": self.moments.center, "scale": self.moments.scale}))
        kind = "text" if isinstance(self.reader, TextReader) else "image"
        stored = {
            "checkpoint": self.checkpoint.digest,
            "encoder": self.encoder.model_dump(),
            "reads": kind,
            "reader": asdict(self.reader),
        }
        write_json(folder / KEPT, stored)

    def check_same(self, folder: Path) -> None:
        """Raise if what :meth:`save` wrote is of another checkpoint.

        Raises:
            UserError: It names which.
        """
        if read_json(folder / KEPT).get("checkpoint") != self.checkpoint.digest:
            raise UserError(f"encoder: {self.encoder.source} has changed since the run with {folder} began; put the "
                            "old checkpoint back, or start a new run with another --out")  # fmt: skip

    @classmethod
    def load(cls, folder: Path) -> EncodedColumns:
        """What :meth:`save` wrote.

        Raises:
            UserError: If it is damaged.
        """
        try:
            stored = read_json(folder / KEPT)
            encoder = HF(**stored["encoder"])
            moments = Moments(**load_file(folder / MOMENTS)) if (folder / MOMENTS).exists() else None
            reader: TextReader | ImageReader
            if stored["reads"] == "text":
                reader = TextReader(**stored["reader"] | {"columns": tuple(stored["reader"]["columns"])})
            else:
                reader = ImageReader(**stored["reader"])
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise UserError(f"{folder}: damaged ({error}); restore it or make the run again") from None
        return cls(encoder, open_checkpoint(str(folder.absolute())), reader, moments)


def pretrained(config: Config) -> HF | None:
    """The pretrained encoder of a run, if it has one."""
    encoder = config.named_encoder
    return encoder if isinstance(encoder, HF) else None


def inputs_of(
    table: pa.Table, schema: Schema, encoded: EncodedColumns | None, *, folder: Path, where: str = "table"
) -> dict[str, Any]:
    """What networks take of a table's rows: the inputs of its schema, and those that a pretrained encoder reads."""
    inputs: dict[str, Any] = schema.encode_inputs(table, where=where)
    return inputs | (encoded.inputs(schema.read(table), folder=folder, where=where) if encoded is not None else {})


def opened(encoder: HF) -> Checkpoint:
    """The checkpoint of an encoder.

    Raises:
        UserError: If it cannot be used, or is without its weights.
    """
    checkpoint = open_checkpoint(encoder.source)
    if checkpoint.kept and not encoder.frozen:
        raise UserError(f"encoder: {encoder.source} belongs to a run, whose networks have its weights; give the "
                        "checkpoint that the run began with")  # fmt: skip
    return checkpoint
