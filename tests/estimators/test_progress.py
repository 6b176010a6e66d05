"""What `verbose=True` shows in a notebook: one bar, and plain lines."""

from __future__ import annotations

from typing import Any

import pytest

from polytask.display.notebook import Notebook
from polytask.estimators.progress import display_of


def test_a_notebook_shows_one_bar_and_plain_notes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the package of widgets, and with a pause between drawings."""
    drawn: list[str] = []

    class Handle:
        def update(self, html: Any) -> None:
            drawn.append(html.data)

    def display(html: Any, display_id: bool) -> Handle:
        drawn.append(html.data)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    shown = display_of(True)
    assert isinstance(shown, Notebook)
    shown.expect(2)
    for title in ("a<b", "c"):
        with shown.training(title) as tell:
            assert tell is not None
            tell(1, 10)
            tell(2, 10)
    shown.warn("odd")
    assert len(drawn) == 4 and drawn[1] == drawn[3] == ""
    assert drawn[0].startswith('a&lt;b (1 of 2) <progress value="1" max="10">')
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" in ")[0] for line in lines] == ["trained a<b", "trained c", "note: odd"]


def test_elsewhere_there_is_a_terminal_or_silence() -> None:
    assert not isinstance(display_of(True), Notebook) and not display_of(False).shows
