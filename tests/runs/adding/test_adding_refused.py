"""Everything that cannot be added is refused with one message, exit status 2, and nothing written."""

from __future__ import annotations

import json
import shutil

import pytest

from adding import add
from small_table import COLUMNS, assert_refused, fit, polytask, table_rows, write_table


@pytest.mark.parametrize(
    ("targets", "options", "parts"),
    [
        ("rnk", (), ("there is no column 'rnk'; did you mean 'rank'?",)),
        ("size", (), ("there is no column 'size'",)),
        ("c", (), ("targets: 'c' is a column that the networks of", "read")),
        ("click,rank", ("--kind", "click=multiclass"), ("kind: 'click' is binary in", "found multiclass")),
        ("rank", ("--networks", "2"), ("networks: has no effect with from",)),
        ("rank", ("--sharing", "mmoe"), ("sharing: has no effect with from",)),
        ("rank", ("--features", "a,b"), ("features: has no effect with from",)),
        ("rank", ("--set", "model.hidden=[3]"), ("model: has no effect with from",)),
        ("rank", ("--set", "into=7"), ("into:", "has no network 7", "0 (click, size, price)")),
        ("rank", ("--set", "freeze=encoder", "--balance", "dwa"), ("balance: dwa has no effect", "frozen")),
        ("rank", ("--set", "freeze=[encoder, encoder.0]"), ("freeze: only heads are trained",)),
        ("rank", ("--set", "freeze=encodr"), ("freeze: the network has no part 'encodr'",)),
        ("rank", ("--id", "kee"), ("no column 'kee' (row id); did you mean 'key'?",)),
        ("rank", ("--resume",), ()),
    ],
)
def test_options_that_do_not_fit(earlier, tmp_path, targets, options, parts):
    out = tmp_path / "run"
    result = add(earlier.one, earlier.later, targets, out, *options, quiet=True)
    if options == ("--resume",):  # nothing is there: a new run, as everywhere
        assert result.exit_code == 0
        return
    assert_refused(result, *parts)
    assert not out.exists()


def test_missing_columns_are_all_named(earlier, tmp_path):
    kept = [name for name in COLUMNS if name not in ("a", "note")]
    table = write_table(tmp_path / "narrow.csv", table_rows(60), kept)
    assert_refused(add(earlier.one, table, "rank", tmp_path / "run"), "2 problems", "column 'a'", "column 'note'")


def test_labels_that_an_old_target_does_not_know(earlier, tmp_path):
    rows = table_rows(60)
    rows[3]["click"] = "perhaps"
    table = write_table(tmp_path / "odd.csv", rows)
    assert_refused(add(earlier.one, table, "rank", tmp_path / "run"), "click", "perhaps")


def test_numbers_in_another_unit(tmp_path):
    for unit in ("kg", "g"):
        rows = [row | {"a": f"{row['a']} {unit}" if row["a"] != "" else ""} for row in table_rows(60)]
        write_table(tmp_path / f"{unit}.csv", rows)
    assert fit(tmp_path / "kg.csv", tmp_path / "run", "--preset", "fast", "--quiet", targets=["click"]).exit_code == 0
    result = add(tmp_path / "run", tmp_path / "g.csv", "rank", tmp_path / "out")
    assert_refused(result, "column 'a': expected numbers in 'kg', as in training, found 'g'")


def test_a_run_that_is_not_finished(earlier, tmp_path):
    run = shutil.copytree(earlier.one, tmp_path / "run")
    (run / "results.json").unlink()
    assert_refused(add(run, earlier.later, "rank", tmp_path / "out"), "not finished", "--resume")


def test_no_run_at_all(earlier, tmp_path):
    assert_refused(add(tmp_path / "nothing", earlier.later, "rank", tmp_path / "out"), "no such run")
    assert_refused(add(tmp_path, earlier.later, "rank", tmp_path / "out"), "not a run")


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("schema.json", {"version": 99}, ("99",)),
        ("networks/0/network.json", {"tasks": ["nobody"]}, ("network.json", "damaged")),
    ],
)
def test_a_run_of_another_version_or_damaged(earlier, tmp_path, file, change, said):
    run = shutil.copytree(earlier.one, tmp_path / "run")
    stored = json.loads((run / file).read_text())
    (run / file).write_text(json.dumps(stored | change))
    assert_refused(add(run, earlier.later, "rank", tmp_path / "out"), *said)
    assert not (tmp_path / "out").exists()


def test_a_way_of_sharing_to_which_nothing_can_be_added(earlier, tmp_path):
    run = tmp_path / "mmoe"
    options = ("--id", "key", "--steps", "4", "--no-baselines", "--quiet", "--networks", "1", "--sharing", "mmoe")
    fitted = polytask("fit", earlier.old, "--targets", "click,size,price", "--out", run, *options,
                      "--set", "threads=1", "--set", "model.hidden=[16,8]")  # fmt: skip
    assert fitted.exit_code == 0, fitted.output
    assert_refused(add(run, earlier.later, "rank", tmp_path / "out"), "shares by mmoe", "hard sharing")


def test_several_tables(earlier, tmp_path):
    config = tmp_path / "study.yaml"
    config.write_text(
        f"from: {earlier.one}\ndata:\n  - {{table: {earlier.later}, targets: [rank]}}\n"
        f"  - {{table: {earlier.old}, targets: [click]}}\n"
    )
    assert_refused(polytask("fit", config, "--out", tmp_path / "run"), "from: tasks are added from one table")


def test_into_without_a_run(earlier, tmp_path):
    result = polytask("fit", earlier.old, "--targets", "click", "--out", tmp_path / "run", "--set", "into=1")
    assert_refused(result, "into: has an effect only with from")


def test_resumed_from_another_run(earlier, tmp_path):
    out = tmp_path / "run"
    assert add(earlier.one, earlier.later, "rank", out, "--steps", "8").exit_code == 0
    (out / "results.json").unlink()
    result = add(earlier.two, earlier.later, "rank", out, "--steps", "8", "--resume")
    assert_refused(result, "is not the run with which")
