"""The notebook runs in a real kernel, and shows tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "many_targets.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = str(tmp_path_factory.mktemp("notebook"))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": folder}}).execute()
    return notebook


def shown(notebook: Any, source: str) -> str:
    """The HTML that the cell with a piece of source shows."""
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code" and source in cell.source)
    return "".join(output["data"].get("text/html", "") for output in cell.outputs if "data" in output)


def test_tables_and_figures_are_shown(executed: Any) -> None:
    metrics = shown(executed, ".fit(train)")
    assert all(word in metrics for word in ("constant", "linear", "worse", "roc_auc"))
    assert "_low" in shown(executed, "interval=0.9)\nassert")
    for name in ('["roc"]', '["predicted_true"]', '["importance"]'):
        assert "<svg" in shown(executed, name)
    assert "feature" in shown(executed, "explain")


def test_nothing_is_printed_that_nobody_asked_for_and_no_file_is_written(executed: Any) -> None:
    streams = [output["text"] for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs
               if output["output_type"] == "stream"]  # fmt: skip
    assert len(streams) == 1 and "new rows are inside" in streams[0]


def test_the_file_has_no_outputs_of_somebody() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook.cells)
