"""`--help` of every command reads as help: grouped, complete, and without the names of Python's types."""

from __future__ import annotations

import pytest
import typer

from polytask.cli import app
from polytask.cli.app import PANELS
from small_table import polytask

COMMANDS = [name for names in PANELS.values() for name in names]


def test_every_command_stands_in_one_panel() -> None:
    assert sorted(COMMANDS) == sorted(typer.main.get_command(app).commands)
    shown = polytask("--help").stdout
    places = [shown.index(f"─ {title} ─") for title in PANELS]
    assert places == sorted(places)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_shows_a_type_instead_of_a_value(command: str) -> None:
    shown = polytask(command, "--help").stdout
    assert not [kind for kind in ("<bool>", "<int>", "<float>", "list[", "range>") if kind in shown]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    known = typer.main.get_command(app).commands[command]
    assert not [parameter.name for parameter in known.params if not parameter.help]
