"""The sentences at the top of the page say why there are as many networks as there are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from polytask.reporting import write_report


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (
            "grouped",
            "these networks were clearly better than one for all (mean skill 0.820 against 0.790)",
        ),
        ("all_in_one", "Affinity proposed 3 networks; on validation they were not clearly better than one"),
    ],
)
def test_the_automatic_choice_is_explained(kept: str, said: str, make_run: Callable[..., Path]) -> None:
    run = make_run(tasks=9, networks=3)
    path = run / "selection.json"
    compared = {"skill_on_validation": {"grouped": 0.82, "all_in_one": 0.79}, "kept": kept}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"compared": compared}))
    assert said in write_report(run).read_text(encoding="utf-8")


def test_nothing_is_reported_where_nothing_was_compared(make_run: Callable[..., Path]) -> None:
    assert "clearly better than one" not in write_report(make_run(tasks=9, networks=3)).read_text(encoding="utf-8")
