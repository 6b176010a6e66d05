import json

import pytest

from polytask import UserError
from polytask.records.results import stored_results

TASK = {"metric": "roc_auc", "direction": "max", "test": 0.7, "network": 0, "converged_epoch": None, "kept": 1}
BEFORE = {"test": None, "held": True, "agreement": 1.0, "change": 0.0}
RESULTS = {
    "tasks": {"click": TASK, "buy": TASK},
    "baselines": {"before": {"buy": BEFORE}, "single_task": {"click": {"test": 0.6}}},
    "totals": {"networks": 1, "parameters": 10, "seconds": 2.5, "more": "than is needed"},
}


def test_what_a_run_has_written_comes_back(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(RESULTS))
    assert stored_results(path) == RESULTS


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("tasks", "click"), {"uest": 0.7}, r"tasks.click.metric: Field required"),
        (("tasks", "buy", "test"), "0.7", r"tasks.buy.test: Input should be a valid number"),
        (("tasks", "buy", "direction"), "up", r"tasks.buy.direction: Input should be 'max' or 'min'"),
        (("baselines", "before"), {"bvy": BEFORE}, r"baselines.before: 'bvy' is no task of the run"),
        (("totals",), [], r"totals: Input should be a valid dictionary"),
    ],
)
def test_anything_else_is_reported_as_damaged(tmp_path, place, value, message):
    content = json.loads(json.dumps(RESULTS))
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"results.json: {message}.*; restore the file"):
        stored_results(path)
