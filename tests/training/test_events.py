"""The log of a run."""

import json
import math

import pytest

from polytask.errors import DamagedFileError
from polytask.training import EventLog


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
