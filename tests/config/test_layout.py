"""Keys in sections are the same configuration as flat ones, and mistakes in either are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from polytask import TablePredictor, UserError
from polytask.comparison.config import flat_keys, read_study
from polytask.config import Config, flat, make_config, read_config
from polytask.config.file import apply_overrides
from polytask.config.layout import flat_names, flat_path, in_sections, paths, section_names
from polytask.config.section import known_keys

LEAST = {"data": "table.csv", "targets": ["click", "price"]}
FLAT = LEAST | {
    "steps": 9, "seed": 3, "sharing": "mmoe", "model": {"dropout": 0.2}, "balance": {"name": "dwa", "temperature": 2},
    "convergence": {"patience": 3}, "joint": {"restore": True}, "grouping": "tag", "affinity": {"every": 4},
    "distill": "mtlkd", "from": "run",
}  # fmt: skip
SECTIONS = {
    "data": {"table": "table.csv", "targets": ["click", "price"]},
    "model": {"sharing": "mmoe", "dropout": 0.2},
    "training": {"steps": 9},
    "balance": {"name": "dwa", "temperature": 2},
    "convergence": {"joint": {"restore": True}, "patience": 3},
    "grouping": {"name": "tag", "affinity": {"every": 4}},
    "distillation": {"distill": "mtlkd"},
    "run": {"from": "run", "seed": 3},
}


def test_options_that_are_gone_are_passed_over_where_they_asked_for_nothing() -> None:
    old = {"affinity": {"every": 4, "time": "mean", "divide_by_lr": False, "null": None}}
    assert flat(old) == flat({"grouping": old}) == {"affinity": {"every": 4}}
    assert flat({"convergence": {"patience": 3, "mixture": 1.0}}) == {"convergence": {"patience": 3}}
    kept = {"name": "scd", "blocks": 3}
    assert flat({"distill": kept | {"order": "complex_first", "supervised": "all"}}) == {"distill": kept}
    with pytest.raises(UserError, match=r"unknown key 'affinity\.time'"):
        make_config(LEAST | {"affinity": {"time": "trapezoid"}})


def test_settings_of_single_networks_stand_in_sections_too() -> None:
    entry = {"tasks": ["price"], "balance": "dwa", "convergence": {"converge": "joint", "patience": 4}}
    old = {"tasks": ["price"], "balance": "dwa", "converge": "joint", "convergence": {"patience": 4}}
    made, before = (make_config(LEAST | {"grouping": {"network_settings": [one]}}) for one in (entry, old))
    assert made == before and made.network_settings[0].converge == "joint"
    written = yaml.safe_load(made.to_yaml())["grouping"]["network_settings"][0]
    assert set(written) == {"tasks", "balance", "convergence"} and written["convergence"]["converge"] == "joint"
    assert flat_names({"network_settings": [old]}) == ["network_settings", "converge"]
    assert flat_names({"grouping": {"network_settings": [entry]}}) == []


def test_flat_keys_of_a_study_are_found_wherever_they_are(tmp_path: Path) -> None:
    (tmp_path / "flat.yaml").write_text(
        "{base: {data: a.csv, steps: 9}, methods: {dwa: {balance: dwa, search: {ema: {low: .5, high: .9}}}}, test: t,\n"
        "setups: {a: {targets: [x]}}, search: {weight_decay: {low: .1, high: .2}, training.momentum: {low: .1}}}"
    )
    found = flat_keys(tmp_path / "flat.yaml", ["base.seed=3", "methods.dwa.training.steps=9", "trials=3", "test=t"])
    assert sorted(found) == ["ema", "seed", "steps", "targets", "weight_decay"]
    (tmp_path / "new.yaml").write_text("{base: {data: {table: a.csv, targets: [x]}}, methods: {dwa: {balance: dwa}}}")
    assert flat_keys(tmp_path / "new.yaml", ["base.training.steps=9", "seeds=3"]) == []


def test_every_key_stands_in_one_section() -> None:
    assert section_names() == ["data", "model", "training", "balance", "convergence", "grouping", "distillation", "run"]
    assert set(paths()) == set(known_keys(Config)) and len(set(paths().values())) == len(paths())


def test_sections_and_flat_names_say_the_same() -> None:
    assert flat(SECTIONS) == FLAT and in_sections(FLAT) == SECTIONS
    assert flat(FLAT) == FLAT and flat({**SECTIONS, "training": {}, "steps": 9}) == FLAT
    assert flat_names(SECTIONS) == [] and flat_names({"data": "a.csv", "balance": "dwa", "grouping": "tag"}) == []
    assert flat_names(FLAT) == ["targets", "steps", "seed", "sharing", "joint", "affinity", "distill", "from"]


@pytest.mark.parametrize("name", sorted(paths()))
def test_a_path_in_a_file_leads_to_its_key(name: str) -> None:
    assert flat_path([*paths()[name], "x"]) == [name, "x"]
    assert flat_path([name]) == [name]


def test_a_run_of_a_flat_file_and_one_of_sections_can_be_resumed_with_either(tmp_path: Path) -> None:
    values = {name: value for name, value in FLAT.items() if name not in ("from", "distill")}
    config = make_config(values)
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json", by_alias=True)))
    (tmp_path / "new.yaml").write_text(config.to_yaml())
    assert [*yaml.safe_load(config.to_yaml())] == section_names()
    assert make_config(read_config(tmp_path / "old.yaml")) == make_config(read_config(tmp_path / "new.yaml"))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"training": {"stepps": 1}}, "unknown key 'training.stepps'; did you mean 'training.steps'?"),
        ({"trainin": {"steps": 1}}, "unknown key 'trainin'; did you mean 'training'?"),
        ({"model": {"hiden": [1]}}, "unknown key 'model.hiden'; did you mean 'hidden'?"),
        ({"data": {"steps": 1, **SECTIONS["data"]}}, "data.steps: is a key of section training; write training.steps"),
        (
            {"steps": 1, "training": {"steps": 2}},
            "training.steps: is given twice, also as steps; leave one of them out",
        ),
        (
            {"training": {"steps": 1}, "steps": 2},
            "training.steps: is given twice, also as steps; leave one of them out",
        ),
        ({"training": 3}, "training: is a section; expected keys and values, such as training: {...}"),
        ({"training": {"steps": 0}}, "steps must be a whole number of at least 1, found 0"),
    ],
)
def test_mistakes_in_sections_are_named(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError) as found:
        make_config((LEAST if "data" not in values else {}) | values, "study.yaml")
    assert list(found.value.problems) == [f"study.yaml: {problem}"]


def test_single_keys_are_set_by_either_name() -> None:
    values: dict[str, Any] = flat(SECTIONS)
    apply_overrides(
        values, ["training.steps=7", "grouping.affinity.every=2", "model.hidden=[8]", "run={seed: 4, jobs: 2}"]
    )
    assert (values["steps"], values["affinity"], values["model"]) == (7, {"every": 2}, {"dropout": 0.2, "hidden": [8]})
    assert (values["seed"], values["jobs"]) == (4, 2)
    with pytest.raises(UserError, match=r"--set steps\.x=3: expected key=value"):
        apply_overrides(values, ["steps.x=3"])


def test_studies_and_data_frames_take_sections(tmp_path: Path) -> None:
    study = {"base": {"data": {"table": "a.csv"}, "training": {"steps": 5}},
             "methods": {"joint": {"convergence": {"converge": "joint"}, "search": {"training.learning_rate": {}}}},
             "search": {"model.dropout": {}, "training.warmup": {}}}  # fmt: skip
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    found = read_study(tmp_path / "study.yaml", ["base.training.steps=6", "methods.joint.run.seed=1"])
    assert found["base"] == {"data": str(tmp_path / "a.csv"), "steps": 6}
    assert found["methods"] == {"joint": {"converge": "joint", "search": {"learning_rate": {}}, "seed": 1}}
    assert [*found["search"]] == ["model.dropout", "warmup"]
    sections, named = TablePredictor("y", config={"training": {"steps": 5}}), TablePredictor("y", steps=5)
    assert sections.settings == named.settings
