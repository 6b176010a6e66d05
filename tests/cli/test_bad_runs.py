"""Runs that are none, or are damaged: exit status 2, one message that names the file, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from small_table import assert_refused, fit, polytask


def predict(run: Path, data: Path, out: Path) -> Any:
    return polytask("predict", run, data, "--out", out)


@pytest.mark.parametrize("command", ["predict", "evaluate", "report"])
def test_run_that_is_none(fitted: Any, tmp_path: Path, command: str) -> None:
    (tmp_path / "folder").mkdir()
    data = [] if command == "report" else [fitted.data]
    for run in (tmp_path / "absent", tmp_path / "folder", fitted.data):
        assert_refused(polytask(command, run, *data), str(run))
    assert list(tmp_path.rglob("*")) == [tmp_path / "folder"]


def test_run_that_exists_is_not_overwritten(fitted: Any) -> None:
    before = {path: path.stat().st_mtime_ns for path in fitted.run.rglob("*")}
    assert_refused(fit(fitted.data, fitted.run), str(fitted.run), "this run exists", "--resume", "--out")
    assert {path: path.stat().st_mtime_ns for path in fitted.run.rglob("*")} == before


def test_run_that_is_not_finished(fitted: Any, run_copy: Path, tmp_path: Path) -> None:
    (run_copy / "results.json").unlink()
    assert_refused(predict(run_copy, fitted.data, tmp_path / "p.parquet"), str(run_copy), "not finished", "--resume")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {"truncated": truncate, "one flipped bit": flip_a_byte, "missing": Path.unlink}


@pytest.mark.parametrize("file", ["networks/0/model.safetensors", "networks/1/model.safetensors", "schema.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file_is_found_before_use(fitted: Any, run_copy: Path, tmp_path: Path, file: str, damage: str) -> None:
    DAMAGES[damage](run_copy / file)
    assert_refused(predict(run_copy, fitted.data, tmp_path / "p.parquet"), str(run_copy / file))
    assert_refused(polytask("evaluate", run_copy, fitted.data), str(run_copy / file))
    assert not (tmp_path / "p.parquet").exists()


def cut_json(path: Path) -> None:
    truncate(path)


def other_json(path: Path) -> None:
    path.write_text("[1, 2]")


def no_keys(path: Path) -> None:
    path.write_text("{}")


@pytest.mark.parametrize("damage", [cut_json, other_json, no_keys, Path.unlink])
@pytest.mark.parametrize("file", ["networks/1/network.json", "schema.json"])
def test_damaged_json(fitted: Any, run_copy: Path, tmp_path: Path, file: str, damage: Callable[[Path], object]) -> None:
    damage(run_copy / file)
    assert_refused(predict(run_copy, fitted.data, tmp_path / "p.parquet"), str(run_copy / file))


@pytest.mark.parametrize(
    ("old", "new"), [('"price"', '"prize"'), ('"serves"', '"serve5"'), ("24", "25"), ('"hidden"', '"hiddem"')]
)
def test_metadata_that_do_not_fit_the_weights(fitted: Any, run_copy: Path, tmp_path: Path, old: str, new: str) -> None:
    for path in run_copy.glob("networks/*/network.json"):
        path.write_text(path.read_text().replace(old, new))
    assert_refused(predict(run_copy, fitted.data, tmp_path / "p.parquet"), "network.json")


def test_networks_that_are_missing(fitted: Any, run_copy: Path, tmp_path: Path) -> None:
    (run_copy / "networks").rename(tmp_path / "elsewhere")
    assert_refused(predict(run_copy, fitted.data, tmp_path / "p.parquet"), "networks", "no network for")


@pytest.mark.parametrize("damage", [cut_json, other_json, no_keys])
def test_resume_of_a_damaged_run(fitted: Any, run_copy: Path, damage: Callable[[Path], object]) -> None:
    (run_copy / "results.json").unlink()
    damage(run_copy / "state.json")
    assert_refused(fit(fitted.data, run_copy, *fitted.options, "--resume"), str(run_copy / "state.json"))


def test_resume_with_a_damaged_configuration(fitted: Any, run_copy: Path) -> None:
    (run_copy / "config.yaml").write_text("targets: [")
    assert_refused(fit(fitted.data, run_copy, *fitted.options, "--resume"), str(run_copy / "config.yaml"))


def test_resume_of_something_else(fitted: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    assert_refused(fit(fitted.data, tmp_path, "--resume"), str(tmp_path), "not a run")


def test_resume_with_other_options_names_their_keys(fitted: Any) -> None:
    result = fit(fitted.data, fitted.run, *fitted.options, "--resume", "--seed", 5, "--set", "model.dropout=0.5")
    assert_refused(result, "2 problems", "seed", "5", "model", "dropout", "resume with the same options")


def test_resume_with_changed_data(fitted: Any, tmp_path: Path) -> None:
    data = tmp_path / fitted.data.name
    data.write_text(fitted.data.read_text().replace("red", "rot"))
    assert_refused(fit(data, fitted.run, *fitted.options, "--resume"), data.name, "has changed")


def test_results_that_are_damaged(fitted: Any, run_copy: Path) -> None:
    truncate(run_copy / "results.json")
    assert_refused(polytask("report", run_copy), "results.json")
