"""All networks of a run as one module, from the columns of a table to predictions in their own units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from ..data import SparseRows
from ..data.columns import coded
from ..data.dates import date_parts, moments, seconds_of
from ..data.features import encode_categories, feature_numbers, molecule_parts
from ..data.molecules import DESCRIPTORS, RADIUS, WIDTH, check_molecules
from ..runs.bundle import Bundle
from .encoded import EncodedInputs, encoded_description, encoded_inputs
from .outputs import described_outputs, output_names, outputs_of


class DeployedModel(nn.Module):
    """The stored transformation of numbers, the networks and the way back to units, without the table.

    Args:
        bundle: The networks of a run.
        tasks: Names of the tasks to predict; networks that serve none of them are left out.
        interval: Share of the rows that intervals and sets hold; by default that of the run, if any.

    Raises:
        UserError: If the run has no scores for intervals, or two outputs would have the same name.

    Shapes:
        Takes those of these that the schema has: ``numeric`` ``[n, columns]`` float64 in their own units, NaN where
        missing; ``temporal`` ``[n, columns]`` float64 seconds, milli-, micro- or nanoseconds since 1970 (by
        their size), or seconds since midnight, NaN where missing; ``categorical`` ``[n, columns]`` int64, 1 + position
        in the column's list of categories, 0 where missing or unseen; ``text_offsets`` ``[n + 1]``, ``text_indices``
        and ``text_values`` ``[m]``: hashed n-grams and Morgan counts; ``molecules`` ``[n, columns, descriptors]``
        float64, NaN where missing; and what a pretrained encoder reads, see
        :class:`~polytask.deployment.encoded.EncodedInputs`.
        Gives per task ``[n]`` values, or ``[n, C]`` probabilities of the classes in their order (``[n, W, C]`` with a
        tag per word), and what :func:`~polytask.deployment.outputs.outputs_of` adds.
    """

    centers: Tensor
    scales: Tensor
    lows: Tensor
    highs: Tensor
    indicators: Tensor
    offsets: Tensor

    def __init__(self, bundle: Bundle, tasks: Sequence[str], interval: float | None = None) -> None:
        super().__init__()
        schema = bundle.schema
        self.tasks = tuple(task for task in schema.tasks if task.name in tasks)
        self.level = bundle.level(interval)
        self.limits = {} if self.level is None else {
            task.name: bundle.scores[task.name].limit(self.level) for task in self.tasks if task.name in bundle.scores
        }  # fmt: skip
        output_names(self.tasks, self.limits)  # raises
        used = sorted({number for task in self.tasks for number in bundle.serves[task.name]})
        self.networks = nn.ModuleList(bundle.networks[number] for number in used)
        self._networks_of = {task.name: [used.index(n) for n in bundle.serves[task.name]] for task in self.tasks}
        self.text_width = schema.text_width
        self.encoded = None if bundle.encoded is None else EncodedInputs(bundle.encoded)
        with_indicator = [number for number, column in enumerate(schema.numbers) if column.indicator]
        sizes = [column.size for column in schema.categorical]
        self.dates = tuple(tuple(part.name for part in column.parts) for column in schema.temporal)
        self.descriptors = tuple([DESCRIPTORS.index(p.name) for p in column.parts] for column in schema.molecules)
        numbers = schema.numbers
        for name, values in (
            ("centers", [c.center for c in numbers]),
            ("scales", [c.scale for c in numbers]),
            ("lows", [c.limits[0] for c in numbers]),
            ("highs", [c.limits[1] for c in numbers]),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float64))
        self.register_buffer("indicators", torch.tensor(with_indicator, dtype=torch.int64))
        self.register_buffer("offsets", torch.tensor(np.cumsum([0, *sizes])[:-1], dtype=torch.int64))

    def forward(
        self,
        numeric: Tensor | None = None,
        categorical: Tensor | None = None,
        text_offsets: Tensor | None = None,
        text_indices: Tensor | None = None,
        text_values: Tensor | None = None,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        words: Tensor | None = None,
        pictures: Tensor | None = None,
        temporal: Tensor | None = None,
        molecules: Tensor | None = None,
    ) -> dict[str, Tensor]:
        inputs: dict[str, Any] = {}
        numbers = [] if numeric is None else [numeric]
        if temporal is not None:
            numbers += self._parts(seconds_of(temporal))
        if molecules is not None:
            numbers += [molecules[:, position, places] for position, places in enumerate(self.descriptors)]
        if numbers:
            inputs["numeric"] = self._standardised(torch.cat(numbers, 1))
        if categorical is not None:
            inputs["categorical"] = categorical + self.offsets
        if text_offsets is not None and text_indices is not None and text_values is not None:
            inputs["text"] = SparseRows(text_offsets, text_indices, text_values, self.text_width)
        if self.encoded is not None:
            given = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids,
                     "words": words, "pictures": pictures}  # fmt: skip
            inputs |= self.encoded({name: value for name, value in given.items() if value is not None})
        outputs = [network(inputs) for network in self.networks]
        predictions = {
            task: task.definition.mean_prediction([outputs[place][task.name] for place in self._networks_of[task.name]])
            for task in self.tasks
        }
        return outputs_of(predictions, self.limits)

    def _parts(self, seconds: Tensor) -> list[Tensor]:
        """``[n, parts]`` of every column of dates."""
        found = []
        for position, names in enumerate(self.dates):
            parts = date_parts(seconds[:, position])
            found.append(torch.stack([parts[name] for name in names], 1))
        return found

    def _standardised(self, numeric: Tensor) -> Tensor:
        limit = torch.finfo(torch.float32).max
        missing = torch.isnan(numeric)
        inside = torch.minimum(torch.maximum(numeric, self.lows), self.highs)
        values = torch.where(missing, 0.0, (inside - self.centers) / self.scales).clamp(-limit, limit)
        parts = [values.float()]
        if len(self.indicators):
            parts.append(missing[:, self.indicators].float())
        return torch.cat(parts, 1)


def deployed_inputs(
    bundle: Bundle, table: pa.Table, *, folder: Path | None = None, where: str = "table"
) -> dict[str, Tensor]:
    """What :class:`DeployedModel` takes, for the rows of a table.

    Args: see :meth:`polytask.runs.Bundle.inputs`.

    Raises:
        UserError: If columns are missing, or hold words where numbers were.
    """
    schema = bundle.schema
    schema.encode_inputs(table.slice(0, 0), where=where)  # names all missing columns at once
    table = schema.read(table, where=where)
    inputs: dict[str, Tensor] = {}
    if schema.numeric:
        columns = [feature_numbers(table[c.name], f"{where}: column {c.name!r}", c.decimal) for c in schema.numeric]
        inputs["numeric"] = torch.from_numpy(np.stack(columns, 1))
    if schema.temporal:
        dates = [moments(table[c.name], c.order, f"{where}: column {c.name!r}") for c in schema.temporal]
        inputs["temporal"] = torch.from_numpy(np.stack(dates, 1))
    if schema.categorical:
        codes = [encode_categories(coded(table[column.name]), column) for column in schema.categorical]
        inputs["categorical"] = torch.from_numpy(np.stack(codes, 1))
    if schema.molecules:
        columns = []
        for column in schema.molecules:
            check_molecules(words := coded(table[column.name]), f"{where}: column {column.name!r}")
            columns.append(np.stack(list(molecule_parts(words).values()), 1))
        inputs["molecules"] = torch.from_numpy(np.stack(columns, 1))
    if schema.text_width:
        texts = schema.sparse(table)
        inputs |= {
            "text_offsets": texts.offsets.long(),
            "text_indices": texts.indices.long(),
            "text_values": texts.values,
        }
    if bundle.encoded is not None:
        inputs |= encoded_inputs(bundle.encoded, table, folder=folder or Path(), where=where)
    return inputs


def description(model: DeployedModel, bundle: Bundle) -> dict[str, Any]:
    """What somebody needs to know to call the exported file, as JSON-able values."""
    schema = bundle.schema
    inputs: dict[str, Any] = {}
    if schema.numeric:
        inputs["numeric"] = {
            "type": "float64, NaN where missing; values beyond the range are clipped to it",
            "columns": [c.name for c in schema.numeric],
            "range": {c.name: list(c.limits) for c in schema.numeric},
        }
    if schema.temporal:
        inputs["temporal"] = {
            "type": "float64 seconds, milliseconds, microseconds or nanoseconds since 1970 (UTC; distinguished by "
            "their size), of times of the day seconds since midnight; NaN where missing",
            "columns": [column.name for column in schema.temporal],
        }
    if schema.categorical:
        inputs["categorical"] = {
            "type": "int64, 1 + position in the list, 0 where missing or not in it",
            "columns": {column.name: list(column.categories) for column in schema.categorical},
        }
    if schema.text:
        inputs["text"] = {
            "type": "text_offsets, text_indices, text_values as polytask.deployment.deployed_inputs makes them",
            "columns": [column.name for column in schema.text],
            "settings": vars(schema.text_settings),
        }
    if schema.molecules:
        inputs["molecules"] = {
            "type": "molecules [n, columns, descriptors] float64, NaN where missing; Morgan counts stand behind the "
            "hashed text in text_offsets, text_indices, text_values; polytask.deployment.deployed_inputs makes them",
            "columns": [column.name for column in schema.molecules],
            "descriptors": list(DESCRIPTORS),
            "morgan": {"radius": RADIUS, "width": WIDTH},
        }
    if bundle.encoded is not None:
        inputs |= encoded_description(bundle.encoded)
    outputs = described_outputs(model.tasks, model.limits, model.level)
    return {"made_by": "polytask", "version": 1, "inputs": inputs, "outputs": outputs}
