"""Whole runs of valid configurations: what they give is in order, sums to one, is measured rightly, and comes again.

A handful by default; ``--hypothesis-profile=nightly`` makes a thousand (an hour on one core).
"""

from __future__ import annotations

import json
import shutil
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from polytask import UserError
from polytask.balancing import BALANCERS
from polytask.config import Config, make_config
from polytask.data import read_table
from polytask.grouping.baselines import GROUPINGS
from polytask.models.sharing import SHARING
from polytask.runs import fit_run
from small_table import polytask, table_rows, write_table

#: What the schema says only as text; everything with a list of words or yes and no is drawn from the schema itself.
WORDS = {
    "grouping": st.sampled_from(sorted(GROUPINGS)),
    "balance": st.sampled_from(sorted(BALANCERS)),
    "sharing": st.sampled_from(SHARING),
    "distill": st.sampled_from([False, "mtlkd", "okd", "scd"]),
    "optimizer": st.sampled_from(["adam", "adamw", "sgd"]),
    "schedule": st.sampled_from(["constant", "cosine", "linear"]),
    "select_by": st.sampled_from(["mean", "worst", "weighted"]),
    "networks": st.sampled_from(["auto", "single_task", 1, 2]),
    "seed": st.integers(0, 3),
    "gradient_clip": st.sampled_from([None, 1.0]),
    "accumulate": st.integers(1, 2),
    "warmup": st.integers(0, 2),
    "weight_decay": st.sampled_from([0.0, 0.01]),
}
#: Keys of other data, or of things that are not there or too slow here.
ELSEWHERE = {"compile", "precision", "device", "report_to", "stream", "rare"}


def _from_schema(annotation: Any) -> st.SearchStrategy[Any] | None:
    """Values of a key that has yes and no or a list of words."""
    if annotation is bool:
        return st.booleans()
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [found for part in get_args(annotation) if (found := _from_schema(part)) is not None]
        return st.one_of(parts) if parts else None
    return None


KEYS = {
    name: found
    for name, field in Config.model_fields.items()
    if name not in ELSEWHERE and (found := WORDS.get(name, _from_schema(field.annotation))) is not None
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of all kinds of targets with missing cells."""
    return write_table(tmp_path_factory.mktemp("runs") / "table.csv", table_rows(80))


@given(st.lists(st.sampled_from(sorted(KEYS)), max_size=4, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: KEYS[name] for name in names})
))  # fmt: skip
@settings(max_examples=1000 if settings.default.max_examples == 1000 else 4)
def test_runs(table: Path, changes: dict[str, Any]) -> None:
    fixed = {"data": str(table), "targets": ["click", "size", "price"], "id": "key", "steps": 4, "batch_size": 16,
             "evaluate_every": 2, "threads": 1, "ignore": ["rank"], "model": {"hidden": [4]}}  # fmt: skip
    out = table.parent / "run"
    shutil.rmtree(out, ignore_errors=True)
    try:
        config = make_config({**fixed, **changes})
        results = fit_run(config, out)
    except UserError:
        assume(False)  # keys that do not go together: refused in one message
    check_results(out, table, results)
    assert fit_run(config, out, resume=True) == results


def check_results(out: Path, table: Path, results: dict[str, Any]) -> None:
    """Everything that has to hold whatever was configured."""
    called = polytask("predict", out, table, "--out", out / "p.parquet")
    assert called.exit_code == 0 and "Traceback" not in called.output, called.output
    predicted = read_table(out / "p.parquet")
    assert predicted["key"].to_pylist() == [f"r{number}" for number in range(80)]
    for task, classes in (("click", ("no", "yes")), ("size", ("large", "medium", "small"))):
        shares = np.stack([predicted[f"{task}_p_{name}"].to_numpy() for name in classes], 1)
        np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
        assert predicted[task].to_pylist() == [classes[place] for place in shares.argmax(1)]
    assert np.isfinite(predicted["price"].to_numpy()).all()
    split = dict(zip(*(read_table(out / "split.parquet")[name].to_pylist() for name in ("id", "split")), strict=True))
    test = [row for row in table_rows(80) if split[row["key"]] == "test"]
    called = polytask("evaluate", out, write_table(out / "test.csv", test), "--json")
    assert called.exit_code == 0, called.output
    for task, entry in json.loads(called.stdout)["tasks"].items():
        assert task not in results["tasks"] or entry["value"] == pytest.approx(results["tasks"][task]["test"], abs=1e-4)
    assert (out / "report.html").exists() and polytask("doctor", out).exit_code == 0
