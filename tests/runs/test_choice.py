"""Which networks are kept: several only if they are clearly better on validation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polytask.config import make_config
from polytask.runs import served
from polytask.runs.trainings import budgets
from small_table import assert_refused, fit, polytask, table_rows, write_table


def test_more_networks_than_targets_are_one_each_at_most() -> None:
    config = make_config({"data": "t.csv", "targets": ["a", "b", "c"], "networks": 9})
    assert budgets(config, len(config.targets)) == [3]


@pytest.mark.parametrize("kept", ["grouped", "all_in_one", "plain"])
def test_auto_keeps_what_is_better_and_records_it(kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "best_plan", lambda plans, networks: kept)
    monkeypatch.setattr(served, "near_best", lambda plans: [kept])
    monkeypatch.setattr("polytask.runs.choice.choose_budget", lambda curve: 2)
    data = write_table(tmp_path / "table.csv", table_rows())
    result = fit(data, tmp_path / "run", "--steps", 40, "--no-baselines", "--quiet")
    assert result.exit_code == 0, result.output
    selection = json.loads((tmp_path / "run" / "selection.json").read_text())
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    compared = selection["compared"]
    assert compared["kept"] == kept
    trainings = results["totals"]["trainings"]
    assert len(list((tmp_path / "run" / "networks").iterdir())) == len(selection["networks"]) == len(trainings)
    assert {name: entry["network"] for name, entry in results["tasks"].items()} == selection["serves"]
    first = {"grouped": "network_", "all_in_one": "all_in_one_network", "plain": "all_in_one"}[kept]
    for name, network in selection["serves"].items():
        assert name in selection["networks"][network]
        expected = compared["moved"].get(name)
        assert trainings[network] == expected if expected else trainings[network].startswith(first)
    planned = selection if trainings == ["network_0", "network_1"] else selection["planned"]
    assert len(planned["networks"]) == 2
    assert {"grouped", "all_in_one", "plain"} == set(compared["skill_on_validation"])
    assert all(f"{mean:.4f}" in compared["sentence"] for mean in compared["skill_on_validation"].values())


@pytest.mark.parametrize("networks", ["1", "single_task", "auto"])
def test_what_is_better_is_served_whatever_was_asked_for(networks: str, tmp_path: Path) -> None:
    """The run's own networks learn nothing (their losses weigh nothing), the plain ones do."""
    data = write_table(tmp_path / "table.csv", table_rows(400))
    spoilt = ("--set", "balance={name: static, values: {click: 0, size: 0}}")
    options = ("--networks", networks, "--steps", 80, "--learning-rate", 0.01, "--converge", "off", *spoilt)
    result = fit(data, tmp_path / "run", *options, targets=("click", "size"))
    assert result.exit_code == 0, result.output
    selection = json.loads((tmp_path / "run" / "selection.json").read_text())
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert all(name.startswith(("single_task_", "all_in_one")) for name in results["totals"]["trainings"])
    assert selection["compared"]["kept"] in ("plain", "single_task")
    assert ("requested" in selection["compared"]["sentence"]) == (networks != "auto")
    assert (
        f"served (mean skill on validation in parentheses): {selection['compared']['sentence'].split(': ')[1]}"
        in result.stderr
    )
    prediction = polytask("predict", tmp_path / "run", data, "--out", tmp_path / "predicted.csv")
    assert prediction.exit_code == 0, prediction.output


def test_one_network_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    result = fit(data, tmp_path / "run", "--networks", 1, "--no-baselines", "--steps", 10)
    assert result.exit_code == 0 and "served" not in result.stderr
    assert not (tmp_path / "run" / "selection.json").exists()


def test_the_users_groups_are_trained_as_they_are(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    options = ("--grouping", "given", "--groups", "click,size; price,rank", "--no-baselines", "--quiet")
    result = fit(data, tmp_path / "run", *options)
    assert result.exit_code == 0, result.output
    selection = json.loads((tmp_path / "run" / "selection.json").read_text())
    assert selection["networks"] == [["click", "size"], ["price", "rank"]]
    assert not (tmp_path / "run" / "affinity.json").exists()


def test_pairs_are_trained_for_the_higher_order_approximation(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    options = ("--grouping", "hoa", "--networks", 2, "--steps", 10, "--no-baselines", "--quiet")
    result = fit(data, tmp_path / "run", *options, targets=("click", "price", "rank"))
    assert result.exit_code == 0, result.output
    seconds = json.loads((tmp_path / "run" / "results.json").read_text())["totals"]["seconds_by_phase"]
    assert seconds["subset"] > 0
    selection = json.loads((tmp_path / "run" / "selection.json").read_text())
    assert set(selection["serves"]) == {"click", "price", "rank"} and len(selection["networks"]) <= 2


@pytest.mark.parametrize("grouping", ["grad_tag", "stg"])
def test_groupings_for_classes(grouping: str, tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    options = ("--grouping", grouping, "--networks", 2, "--no-baselines", "--quiet", "--set", "model.hidden=[16,8]")
    assert_refused(fit(data, tmp_path / "run", *options), f"grouping: {grouping} is for binary and multiclass", "price")
    assert not (tmp_path / "run").exists()
    result = fit(data, tmp_path / "run", *options, targets=("click", "size", "rank"))
    assert result.exit_code == 0, result.output
    selection = json.loads((tmp_path / "run" / "selection.json").read_text())
    assert set(selection["serves"]) == {"click", "size", "rank"}
    chosen = selection.get("planned", selection)  # a task may move beyond chance to another training after it
    assert len(chosen["networks"]) <= 2


def test_wishes_and_a_cap_are_heeded(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    options = ("--networks", 2, "--together", "click,price", "--apart", "size,rank", "--no-baselines", "--quiet")
    assert fit(data, tmp_path / "run", *options).exit_code == 0
    selection = json.loads((tmp_path / "run" / "selection.json").read_text())
    assert selection["serves"]["click"] == selection["serves"]["price"]
    assert not any({"size", "rank"} <= set(network) for network in selection["networks"])
    assert fit(data, tmp_path / "capped", "--max-cost", 1, "--no-baselines", "--quiet").exit_code == 0
    assert len(json.loads((tmp_path / "capped" / "selection.json").read_text())["networks"]) == 1


def test_probing_that_stops_by_itself_reports_it(tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows())
    result = fit(data, tmp_path / "run", "--networks", 2, "--no-baselines", "--set", "affinity.stop=confident")
    assert result.exit_code == 0, result.output
    assert "affinity: " in result.stderr and "stable enough for the choice" in result.stderr
    stop = json.loads((tmp_path / "run" / "affinity.json").read_text())["meta"]["stop"]
    log = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert ('"affinity_stop"' in log) == (stop != "confident")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--grouping", "tagg"), "grouping must be one of tag, "),
        (("--grouping", "given"), "give the tasks of each network"),
        (("--grouping", "given", "--groups", "click;price"), "no network for size, rank"),
        (("--groups", "click;price"), "has an effect only with grouping: given"),
        (("--grouping", "random", "--together", "click,price"), "together: has no effect"),
        (("--together", "click,prize"), "together: 'prize' is not a target"),
        (("--networks", 2, "--max-cost", 3), "max_cost: has an effect only"),
        (("--networks", 1, "--grouping", "hoa"), "grouping: has an effect only"),
        (("--grouping", "given", "--groups", "click,size;price,rank", "--networks", 2), "networks: has no effect"),
    ],
)
def test_keys_that_do_not_fit(options: tuple[object, ...], words: str, tmp_path: Path) -> None:
    data = write_table(tmp_path / "table.csv", table_rows(60))
    assert_refused(fit(data, tmp_path / "run", *options), words)
    assert not (tmp_path / "run").exists()
