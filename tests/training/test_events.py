"""The log of a run."""

import json
import math

import pytest
import torch

from polytask import MultiTaskModel, Task, TrainingSettings, fit
from polytask.errors import DamagedFileError
from polytask.training import EventLog
from polytask.training.events import is_detailed


def test_events_are_lines_of_json_without_numbers_that_json_does_not_know(tmp_path):
    log = EventLog(tmp_path / "run" / "metrics.jsonl")
    log.write("evaluation", step=3, epoch=0.5, validation={"ü": math.nan, "b": [1.5, math.inf]})
    (line,) = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    event = json.loads(line)
    assert event.pop("time") > 0
    assert event == {"event": "evaluation", "step": 3, "epoch": 0.5, "validation": {"ü": None, "b": [1.5, None]}}


def test_events_after_a_position_can_be_taken_back(tmp_path):
    log = EventLog(tmp_path / "metrics.jsonl")
    assert log.position() == 0
    log.write("first")
    position = log.position()
    log.write("second")
    log.rewind(position)
    with pytest.raises(DamagedFileError, match=r"metrics.jsonl: damaged or truncated .expected at least"):
        log.rewind(position + 1)
    log.write("third")
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["first", "third"]


def test_a_log_without_file_writes_nothing():
    log = EventLog()
    log.write("first")
    log.rewind(0)
    assert log.position() == 0


@pytest.mark.parametrize("tasks", [300, 1000, 1900])
def test_the_numbers_of_many_tasks_are_logged_ever_more_rarely(tasks):
    octaves = [sum(is_detailed(place, tasks) for place in range(2**power, 2 ** (power + 1))) for power in range(5, 12)]
    assert max(octaves) - min(octaves) <= 1 and max(octaves) * tasks <= 2 * 2000


def test_evaluations_without_the_numbers_of_tasks_keep_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr("polytask.training.events._PAIRS", 4)
    tasks = [Task("a"), Task("b", kind="regression")]
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 3, generator=draw)
    labels = {"a": (inputs[:, 0] > 0).float(), "b": inputs[:, 1]}

    model = MultiTaskModel(torch.nn.Linear(3, 4), tasks, features=4)
    settings = TrainingSettings(steps=12, evaluate_every=1)
    log = EventLog(tmp_path / "metrics.jsonl")
    fit(model, train=(inputs, labels), validation=(inputs, labels), settings=settings, log=log)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    found = [event for line in lines if (event := json.loads(line))["event"] == "evaluation"]
    assert [event["step"] for event in found] == list(range(1, 13))
    assert all(isinstance(event["score"], float) for event in found)
    assert [event["step"] - 1 for event in found if "validation" in event] == [0, 1, 2, 3, 4, 6, 8]
    assert set(found[8]["losses"]) == {"a", "b"}
