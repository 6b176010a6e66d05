"""File formats of exported models: how they are written, and read again to be compared."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.fx.experimental import _config as exporting

from ..extras import require
from .deployed import DeployedModel

#: Name under which the description of inputs and outputs is found in the file.
DESCRIPTION = "polytask.json"
#: ``{input: tensor}`` to ``{task: array}``.
Predict = Callable[[Mapping[str, Tensor]], Mapping[str, Any]]


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        check_packages: Raises a ``UserError`` if something is not installed.
        write: Writes a model; takes it, example inputs, the description and the path.
        read: Gives a function that predicts from the written file.
    """

    check_packages: Callable[[], None]
    write: Callable[[DeployedModel, dict[str, Tensor], dict[str, Any], Path], None]
    read: Callable[[Path], Predict]


def _program(model: DeployedModel, inputs: dict[str, Tensor]) -> ExportedProgram:
    """The model for any number of rows, one included."""
    rows, entries = Dim("rows", min=1), Dim("entries", min=0)
    sizes = {"text_offsets": rows + 1, "text_indices": entries, "text_values": entries}
    shapes = {name: {0: sizes.get(name, rows)} for name in inputs}
    # Without it a program is for two rows and more.
    with exporting.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        return torch.export.export(model, (), kwargs=inputs, dynamic_shapes=shapes)


def _write_torch(model: DeployedModel, inputs: dict[str, Tensor], about: dict[str, Any], path: Path) -> None:
    with _quiet(), path.open("wb") as stream:
        torch.export.save(_program(model, inputs), stream, extra_files={DESCRIPTION: json.dumps(about)})


def _read_torch(path: Path) -> Predict:
    with _quiet(), path.open("rb") as stream:
        program = torch.export.load(stream).module()

    def predict(inputs: Mapping[str, Tensor]) -> Mapping[str, Any]:
        with torch.no_grad():
            return {name: value.numpy() for name, value in program(**inputs).items()}

    return predict


def _write_onnx(model: DeployedModel, inputs: dict[str, Tensor], about: dict[str, Any], path: Path) -> None:
    names = [task.name for task in model.tasks]
    with _quiet():
        exported = torch.onnx.export(_program(model, inputs), dynamo=True, output_names=names, verbose=False)
        assert exported is not None
        exported.model.metadata_props[DESCRIPTION] = json.dumps(about)
        exported.save(str(path), external_data=False)


def _read_onnx(path: Path) -> Predict:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    wanted = {entry.name for entry in session.get_inputs()}

    def predict(inputs: Mapping[str, Tensor]) -> Mapping[str, Any]:
        given = {name: value.numpy() for name, value in inputs.items() if name in wanted}
        return dict(zip(names, session.run(names, given), strict=True))

    return predict


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporters speak to their developers."""
    logger = logging.getLogger("onnxscript")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


FORMATS = {
    "onnx": Format(
        lambda: require("onnx", "onnx", "onnxscript", "onnxruntime", needed_by="export --format onnx"),
        _write_onnx,
        _read_onnx,
    ),
    "torch": Format(lambda: None, _write_torch, _read_torch),
}
