"""File formats of exported models: how they are written, and read again to be compared."""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.fx.experimental import _config as exporting

from ..errors import UserError
from ..extras import require
from .deployed import DeployedModel
from .encoded import LEAST_TOKENS
from .outputs import output_names

#: One protobuf message holds 2 GiB, of which the graph takes little.
ONNX_BYTES = 2**31 - 2**26
#: ``{input: tensor}`` to ``{task: array}``.
Predict = Callable[[Mapping[str, Tensor]], Mapping[str, Any]]


@dataclass(frozen=True)
class ExportFormat:
    """A file format.

    Attributes:
        check_packages: Raises a ``UserError`` if something is not installed.
        write: Writes a model; takes it, example inputs, texts to hold besides by name, and the path.
        read: Gives a function that predicts from the written file.
        most_bytes: Weights that one file can hold.
    """

    check_packages: Callable[[], None]
    write: Callable[[DeployedModel, dict[str, Tensor], Mapping[str, str], Path], None]
    read: Callable[[Path], Predict]
    most_bytes: float = math.inf


def _program(model: DeployedModel, inputs: dict[str, Tensor]) -> ExportedProgram:
    """The model for any number of rows, one included."""
    rows, entries = Dim("rows", min=1), Dim("entries", min=0)
    most = model.encoded.most_tokens if model.encoded is not None else None
    length, words = Dim("length", min=LEAST_TOKENS, max=most), Dim("words", min=1)
    sizes = {"text_offsets": rows + 1, "text_indices": entries, "text_values": entries}
    widths = {"input_ids": length, "attention_mask": length, "token_type_ids": length, "words": words}
    shapes = {name: {0: sizes.get(name, rows)} | ({1: widths[name]} if name in widths else {}) for name in inputs}
    # Without it a program is for two rows and more.
    with exporting.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        return torch.export.export(model, (), kwargs=inputs, dynamic_shapes=shapes)


def _write_torch(model: DeployedModel, inputs: dict[str, Tensor], texts: Mapping[str, str], path: Path) -> None:
    with _quiet(), path.open("wb") as stream:
        torch.export.save(_program(model, inputs), stream, extra_files=dict(texts))


def _read_torch(path: Path) -> Predict:
    with _quiet(), path.open("rb") as stream:
        program = torch.export.load(stream).module()

    def predict(inputs: Mapping[str, Tensor]) -> Mapping[str, Any]:
        with torch.no_grad():
            return {name: value.numpy() for name, value in program(**inputs).items()}

    return predict


def _write_onnx(model: DeployedModel, inputs: dict[str, Tensor], texts: Mapping[str, str], path: Path) -> None:
    names = output_names(model.tasks, model.limits)
    if taken := sorted(set(names) & set(inputs)):
        raise UserError(f"export: {', '.join(map(repr, taken))} is the name of an input of the file and of a target; "
                        "use --format torch, or write the other targets with --tasks")  # fmt: skip
    with _quiet():
        program = _program(model, inputs)
        exported = torch.onnx.export(program, dynamo=True, output_names=names, verbose=False, optimize=False)
        assert exported is not None
        _fold(exported.model)
        exported.model.metadata_props.update(texts)
        exported.save(str(path), external_data=False)


def _fold(model: Any) -> None:
    """Optimise as the exporter does, but without its rules, which drop what is added if it is within 1e-8 of 0, such as
    the mean of a target whose values are that small."""
    from onnx_ir.passes import Sequential, common
    from onnxscript import optimizer

    optimizer.inline(model)
    optimizer.fold_constants(model)
    Sequential(
        common.RemoveUnusedNodesPass(),
        common.RemoveUnusedFunctionsPass(),
        common.RemoveUnusedOpsetsPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.LiftSubgraphInitializersToMainGraphPass(),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
    )(model)


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
    """Silence the exporters' logging, which is for their developers."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx._internal.exporter")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


FORMATS = {
    "onnx": ExportFormat(
        lambda: require("onnx", "onnx", "onnxscript", "onnxruntime", needed_by="export --format onnx"),
        _write_onnx,
        _read_onnx,
        most_bytes=ONNX_BYTES,
    ),
    "torch": ExportFormat(lambda: None, _write_torch, _read_torch),
}
