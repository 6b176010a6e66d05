"""Every kind is one file that the rest of the project finds by itself."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import polytask
from polytask.task import ARRAY_KINDS, KINDS, METRICS, TABLE_KINDS
from polytask.task.labels import Labels

SOURCE = Path(polytask.__file__).parent
ROOT = SOURCE.parent.parent


def labels_of(values: list) -> Labels:
    names = tuple(map(str, values))
    numbers = None if isinstance(values[0], str) else np.array(values, float)
    return Labels(names, numbers, np.full(len(values), 9))


def test_every_kind_is_called_as_its_file():
    assert list(KINDS) == [*TABLE_KINDS, *ARRAY_KINDS]
    assert {"binary", "multiclass", "regression", "multilabel", "tags"} <= set(TABLE_KINDS)


def test_names_of_kinds_cost_no_torch():
    code = "import sys; from polytask.task.names import TABLE_KINDS; assert 'torch' not in sys.modules, TABLE_KINDS"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1], "binary"),
        (["no", "yes"], "binary"),
        ([1, 2, 3], "multiclass"),
        (["a"], "multiclass"),
        (["a", "b", "c"], "multiclass"),
        ([0, 2, 3], "regression"),
        ([7], "regression"),
        (list(range(21)), "regression"),
    ],
)
def test_one_kind_claims_a_column(values, kind):
    assert [name for name, found in KINDS.items() if found.claims(labels_of(values))] == [kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_its_metric_among_those_that_fit(kind):
    assert KINDS[kind].default_metric in [metric.name for metric in KINDS[kind].metrics]
    assert all(kind in METRICS[metric.name].kinds for metric in KINDS[kind].metrics)


@pytest.mark.parametrize("kind", TABLE_KINDS)
def test_the_page_on_data_has_a_row_for_every_kind(kind):
    row = f"| `{kind}` | {KINDS[kind].about} | `{KINDS[kind].default_metric}` |"
    assert row in (ROOT / "docs" / "data.md").read_text(encoding="utf-8")


def test_no_kind_is_named_outside_of_its_file():
    """Neither compared with, nor a key, nor in a list of names; data sets state kinds, as a user does."""
    files = [file for file in SOURCE.rglob("*.py") if file.relative_to(SOURCE).parts[0] != "task"]
    found = [
        f"{file}:{node.lineno}" for file in files if "datasets" not in file.parts for node in _names_of_kinds(file)
    ]
    assert not found


def _names_of_kinds(file: Path) -> list[ast.expr]:
    named: list[ast.expr] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare) and "kind" in ast.unparse(node):
            named += _kinds([node.left, *node.comparators])
        elif isinstance(node, ast.Dict | ast.Tuple | ast.List | ast.Set):
            found = _kinds(node.keys if isinstance(node, ast.Dict) else node.elts)
            named += found if len(found) > 1 else []  # a single one may be a word
    return named


def _kinds(nodes: list[ast.expr | None]) -> list[ast.expr]:
    return [node for node in nodes if isinstance(node, ast.Constant) and node.value in list(KINDS)]
