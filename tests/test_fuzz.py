"""Whatever a file or a configuration holds: it works, or one :class:`~polytask.UserError` says what is wrong."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mutations import damaged, values
from polytask import Affinity, UserError, select_networks
from polytask.config import Config, make_config
from polytask.config.file import apply_overrides, read_config
from polytask.errors import DamagedFileError
from polytask.runs.preparation.prepare import prepare
from polytask.training.trees import load_tree, save_tree
from small_table import fit, polytask, table_rows, write_table
from small_training import differences

TREE = {"weights": torch.arange(40.0), "step": 3, "names": ["a", "ü"], "state": {0: (1, None, 0.5)}}
AFFINITY = {"tasks": ["a", "b", "c"], "affinity": [[None, 0.1, -0.2], [0.3, None, 0.0], [0.1, 0.2, None]],
            "meta": {"samples": 3, "counts": [[3] * 3] * 3, "standard_error": [[0.1] * 3] * 3}}  # fmt: skip
STUDY = {
    "data": "table.csv", "targets": ["click", "price"], "id": "key", "networks": 2, "model": {"hidden": [16, 8]},
    "balance": {"name": "dwa", "temperature": 1.0}, "distill": {"name": "scd", "blocks": 2}, "split": [0.6, 0.2, 0.2],
    "network_settings": [{"tasks": ["click"], "balance": "uw"}], "affinity": {"every": 2}, "weights": {"price": 2.0},
    "kind": {"click": "binary"}, "apart": [["click", "price"]],
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table."""
    folder = tmp_path_factory.mktemp("fuzz")
    write_table(folder / "table.csv", table_rows(40))
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(folder / "table.csv"), folder / "table.parquet")
    return folder


keys = st.sampled_from([*Config.model_fields, "bach_size", "", "data.x"])


@given(st.dictionaries(keys, values(), max_size=4), st.booleans())
@example({"encoder": {"name": 1}}, True)
@example({"data": [{"table": "a.csv", "targets": 3}], "targets": None}, True)
def test_configurations(changes: dict[str, Any], whole: bool) -> None:
    with contextlib.suppress(UserError):
        config = make_config({**(STUDY if whole else {"data": "table.csv", "targets": ["click"]}), **changes})
        again = make_config(yaml.safe_load(config.to_yaml()))
        assert again.to_yaml() == config.to_yaml()


@given(damaged(yaml.safe_dump(STUDY).encode()), st.lists(st.text(max_size=12), max_size=2))
@example(b"[" * 3000, [])
@example(b"data: 2001-99-99", ["a=!!bool x"])
@example(b"{}", ["a=!!timestamp x", "b=" + "9" * 5000, "c=" + "[" * 3000])
def test_files_of_configurations(place: Path, content: bytes, overrides: list[str]) -> None:
    (place / "study.yaml").write_bytes(content)
    with contextlib.suppress(UserError):
        read = read_config(place / "study.yaml")
        apply_overrides(read, overrides)
        make_config(read)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@given(st.data())
def test_tables(place: Path, ending: str, data: st.DataObject) -> None:
    path = place / f"damaged.{ending}"
    path.write_bytes(data.draw(damaged((place / f"table.{ending}").read_bytes())))
    with contextlib.suppress(UserError):
        prepare(make_config({"data": str(path), "targets": ["click", "price"], "id": "key"}))


cells = st.one_of(
    st.none(), st.floats(), st.integers(-(2**63), 2**63), st.text(max_size=4), st.sampled_from(["", "1", "nan", "a;b"])
)


@given(
    st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12),
    st.sampled_from([None, "binary", "regression", "multilabel"]),
)
def test_cells(place: Path, rows: list[tuple[Any, ...]], kind: str | None) -> None:
    path = write_table(place / "cells.csv", [dict(zip(("x", "y", "z"), row, strict=True)) for row in rows])
    with contextlib.suppress(UserError):
        prepare(make_config({"data": str(path), "targets": ["y", "z"], "kind": {"y": kind} if kind else {}}))


@given(damaged(json.dumps(AFFINITY).encode()), st.integers(1, 4))
@example(b"[" * 3000, 1)
def test_files_of_affinities(place: Path, content: bytes, networks: int) -> None:
    (place / "affinity.json").write_bytes(content)
    with contextlib.suppress(UserError):
        affinity = Affinity.load(place / "affinity.json")
        selection = select_networks(affinity, networks)
        assert {name for group in selection.networks for name in group} <= set(affinity.tasks)
        assert affinity.windows is None or affinity.windows


numbers = st.floats(-1e6, 1e6, allow_subnormal=False)


def square(k: int) -> st.SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(numbers, min_size=k, max_size=k), min_size=k, max_size=k)


@given(st.integers(2, 5).flatmap(square), st.integers(1, 5))
def test_choices_are_proven_and_serve_everybody(matrix: list[list[float]], networks: int) -> None:
    names = tuple("abcde"[: len(matrix)])
    networks = min(networks, len(names))
    selection = select_networks(Affinity(names, np.array(matrix)), networks)
    assert set(selection.serves) == set(names) and len(selection.networks) <= networks
    assert selection.optimal and selection.score <= selection.bound + 1e-9 * (1 + abs(selection.bound))
    assert all(name in selection.networks[served] for name, served in selection.serves.items())


@pytest.fixture(scope="module")
def tree(place: Path) -> bytes:
    save_tree(place / "tree", TREE)
    return (place / "tree").read_bytes()


@given(st.data())
def test_every_change_of_a_checkpoint_is_found(place: Path, tree: bytes, data: st.DataObject) -> None:
    (place / "damaged").write_bytes(data.draw(damaged(tree)))
    with contextlib.suppress(DamagedFileError):
        assert not differences(load_tree(place / "damaged"), TREE)


@pytest.fixture(scope="module")
def run(place: Path) -> Path:
    """A finished run."""
    options = ("--networks", 2, "--steps", 4, "--set", "model.hidden=[4]", "--set", "evaluate_every=2")
    result = fit(place / "table.csv", place / "run", *options)
    assert result.exit_code == 0, result.output
    return place / "run"


@settings(max_examples=max(6, settings.default.max_examples // 20))  # each takes a second
@given(st.data())
def test_run_folders(place: Path, run: Path, data: st.DataObject) -> None:
    copy = place / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run, copy)
    files = sorted(path.relative_to(copy) for path in copy.rglob("*") if path.is_file() and path.name != ".lock")
    path = copy / data.draw(st.sampled_from(files))
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    commands = (
        ("report", copy),
        ("doctor", copy),
        ("predict", copy, place / "table.csv", "--out", place / "p.parquet"),
        ("fit", "--out", copy, "--resume", "--quiet"),
    )
    for command in commands:
        result = polytask(*command)
        assert result.exit_code in (0, 2), (command, path.name, result.output, result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit), (command, path.name)
