"""Sets of labels and tables that are read while training."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet
import pytest

from polytask.config import make_config
from polytask.errors import UserError
from polytask.runs.preparation.prepare import prepare


def test_sets_of_labels_cannot_be_streamed(tmp_path):
    table = pa.table({"x": list(range(40)), "tags": [["a"], ["b"], ["a", "b"], []] * 10})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    values = {"data": str(tmp_path / "t.parquet"), "targets": ["tags"], "kind": {"tags": "multilabel"}}
    with pytest.raises(UserError, match="stream: false"):
        prepare(make_config({**values, "stream": True}))
    assert prepare(make_config(values)).rows["train"].wide[0].shape[1] == 2
