"""Mistakes in options and configurations: all at once, with the near miss, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from polytask import Affinity
from polytask.cli.affinity import is_affinity
from polytask.cli.options import check_file_to_write
from small_table import assert_refused, fit, polytask, table_rows, write_table


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "table.csv", table_rows(60))


BAD_OPTIONS = {
    "unknown key": (("--set", "bach_size=3"), ("unknown key 'bach_size'", "did you mean 'batch_size'?")),
    "unknown nested key": (("--set", "model.droput=0.2"), ("'model.droput'", "did you mean 'dropout'?")),
    "not key=value": (("--set", "steps"), ("--set steps", "expected key=value")),
    "key inside a number": (("--set", "seed.x=1"), ("seed", "{'x': 1}")),
    "wrong type": (("--set", "steps=many"), ("steps", "'many'")),
    "unknown method": (("--balance", "dwaa"), ("unknown method 'dwaa'", "did you mean 'dwa'?")),
    "unknown setting of convergence": (("--converge", "jont"), ("converge", "'jont'", "'joint'")),
    "no network": (("--networks", "0"), ("networks", "at least 1", "found 0")),
    "networks in words": (("--networks", "two"), ("networks", "'two'", "auto")),
    "shares of a wrong sum": (("--split", "0.7,0.2,0.2"), ("split", "sum to 1", "0.2")),
    "two shares": (("--split", "0.7,0.3"), ("split", "0.3")),
    "kind of no target": (("--kind", "klick=binary"), ("'klick' is not a target", "did you mean 'click'?")),
    "unknown kind": (("--kind", "click=binry"), ("kind.click", "'binry'", "'binary'")),
    "kind without a value": (("--kind", "click"), ("--kind 'click'", "NAME=VALUE")),
    "kind that does not fit": (("--kind", "rank=binary"), ("target 'rank'", "stated kind is binary", "expected 2")),
    "numbers wanted from words": (("--kind", "click=regression"), ("target 'click'", "expected numbers", "'yes'")),
    "unknown metric": (("--metric", "click=acuracy"), ("click", "acuracy", "accuracy")),
    "weight in words": (("--weight", "click=heavy"), ("weights.click", "'heavy'")),
    "negative weight": (("--weight", "click=-1"), ("click", "-1")),
    "steps and epochs": (("--set", "epochs=3"), ("steps or epochs, not both",)),
    "negative learning rate": (("--learning-rate", "-1"), ("learning_rate", "more than 0", "-1")),
    "unknown device": (("--device", "gpu"), ("device", "'gpu'", "cuda")),
    "encoder that is not there": (("--encoder", "no_such_module:Net"), ("encoder", "no_such_module")),
    "encoder without a class": (("--encoder", "torch"), ("encoder", "package.module:Class")),
    "option of a method": (("--set", "balance={name: dwa, heat: 2}"), ("balance", "heat", "polytask methods dwa")),
}


@pytest.mark.parametrize("what", BAD_OPTIONS)
def test_bad_option(table: Path, what: str) -> None:
    options, parts = BAD_OPTIONS[what]
    assert_refused(fit(table, table.parent / "run", *options), *parts)
    assert list(table.parent.iterdir()) == [table]


def test_several_mistakes_are_reported_at_once(table: Path) -> None:
    (table.parent / "study.yaml").write_text(
        f"data: {table.name}\ntargets: [click, price]\nstep: 30\nmodel: {{droput: 0.1}}\nseed: -1\nnetworks: many\n"
    )
    result = polytask("fit", table.parent / "study.yaml", "--out", table.parent / "run")
    assert_refused(
        result, "problems:", "study.yaml", "'step'", "'steps'", "'model.droput'", "'dropout'", "seed", "many"
    )
    assert not (table.parent / "run").exists()


def test_mistakes_of_values_are_reported_at_once(table: Path) -> None:
    result = fit(table, table.parent / "run", "--balance", "dwaa", "--kind", "klick=binary", "--networks", "0")
    assert_refused(result, "3 problems", "dwaa", "klick", "networks")


BAD_CONFIGS = {
    "missing": (None, "no such file"),
    "not YAML": ("data: [", "not readable as YAML"),
    "not a mapping": ("- table.csv\n", "expected keys and values"),
    "empty": ("", "expected keys and values"),
    "no targets": ("data: table.csv\n", "key 'targets' is missing"),
}


@pytest.mark.parametrize("what", BAD_CONFIGS)
def test_bad_configuration_file(tmp_path: Path, what: str) -> None:
    content, part = BAD_CONFIGS[what]
    if content is not None:
        (tmp_path / "study.yaml").write_text(content)
    assert_refused(polytask("fit", tmp_path / "study.yaml", "--out", tmp_path / "run"), "study.yaml", part)
    assert not (tmp_path / "run").exists()


def test_no_targets_states_which_option_is_missing(table: Path) -> None:
    assert_refused(polytask("fit", table, "--out", table.parent / "run"), "targets", "columns to predict")


def test_targets_with_spaces_are_told_of_commas(table: Path, tmp_path: Path) -> None:
    result = polytask("fit", table, "--targets", "click", "rank", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "--targets a,b" in result.stderr
    assert not (tmp_path / "run").exists()


def test_no_out_and_no_data_say_so(table: Path) -> None:
    assert_refused(polytask("fit", table, "--targets", "click"), "--out")
    assert_refused(polytask("fit", "--out", table.parent / "run"), "DATA")


@pytest.mark.parametrize("place", ["a folder with files", "a file"])
def test_out_that_exists_is_left_alone(table: Path, place: str) -> None:
    out = table.parent if place == "a folder with files" else table
    before = table.read_bytes()
    assert_refused(fit(table, out), str(out), "exists", "choose another --out")
    assert list(table.parent.iterdir()) == [table] and table.read_bytes() == before


def test_out_below_a_file_is_refused(table: Path) -> None:
    assert_refused(fit(table, table / "run"), str(table))


def test_affinity_checks_its_place_before_the_work(table: Path) -> None:
    for out in (table.parent, table / "affinity.json"):
        assert_refused(polytask("affinity", table, "--targets", "click,price", "--out", out), str(out), "--out")


def test_affinity_replaces_only_an_affinity(table: Path) -> None:
    other = table.parent / "other.json"
    other.write_text('[{"a": 1}]')
    for out in (table, other):
        before = out.read_bytes()
        result = polytask("affinity", table, "--targets", "click,price", "--out", out)
        assert_refused(result, str(out), "has not written it")
        assert out.read_bytes() == before
    written = table.parent / "affinity.json"
    Affinity(("a", "b"), [[0, 1], [1, 0]]).save(written)
    check_file_to_write(written, is_affinity)


def test_select_refuses_bad_files_and_budgets(tmp_path: Path) -> None:
    path = tmp_path / "affinity.json"
    assert_refused(polytask("select", path, "--networks", 2), "affinity.json", "no such file")
    path.write_text('{"tasks": ["a", "b"], "affinity": [[0, 1]')
    assert_refused(polytask("select", path, "--networks", 2), "affinity.json", "expected a JSON file")
    path.write_text('{"tasks": ["a", "b"], "affinity": [[0, 1], [1, 0]]}')
    assert_refused(polytask("select", path, "--networks", 0), "networks", "0")


def test_unknown_method_of_the_catalogue() -> None:
    assert_refused(polytask("methods", "dwaa"), "unknown method 'dwaa'", "did you mean 'dwa'?")
