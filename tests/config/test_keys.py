"""Every key is defined once: what is made of the definitions fits them, and costs nothing to load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from polytask import UserError
from polytask.cli.options import options_of_keys
from polytask.config import (
    SECTIONS,
    AffinityOptions,
    Config,
    Decides,
    TrainingSettings,
    deciding,
    default_of,
    keys_of,
    make_config,
)
from polytask.config.affinity import Estimator
from polytask.config.grouping import Grouping
from polytask.config.key import subsections
from polytask.config.model import Sharing
from polytask.config.reference import reference
from polytask.config.section import known_keys
from polytask.grouping.affinity import ESTIMATORS
from polytask.grouping.strategies import GROUPINGS
from polytask.models import SHARING
from small_table import polytask, table_rows, write_table

LEAST = {"data": "table.csv", "targets": ["click", "price"]}
#: Options of `fit` that users know.
OPTIONS = """
    targets out from kind weight metric features ignore id split group time validation test missing rare networks
    grouping groups max-size together apart max-cost balance converge distill teachers baselines no-baselines
    sharing encoder steps epochs batch-size learning-rate device jobs devices nodes strategy seed report-to set
    resume trust quiet json
"""


def sections() -> list[type[Any]]:
    """All sections, those inside others included."""
    from typing import get_type_hints

    found = list(SECTIONS)
    for section in found:
        hints = get_type_hints(section)
        found += [part for name in keys_of(section) for part in subsections(hints[name]) if part not in found]
    return found


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.__name__)
def test_every_key_has_a_meaning(section: type[Any]) -> None:
    described = {"from" if name == "from_run" else name for name in keys_of(section)}
    assert set(known_keys(section)) - {"name"} == described - {"name"}
    for name, key in keys_of(section).items():
        assert len(key.meaning) > 8, name


def test_the_page_of_all_keys_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert page.read_text(encoding="utf-8") == reference(), (
        "run: python -m polytask.config.reference > docs/configuration.md"
    )


@pytest.mark.parametrize(
    ("words", "registry"),
    [(Sharing, (*SHARING,)), (Grouping, (*GROUPINGS,)), (Estimator, ("auto", *ESTIMATORS))],
    ids=["sharing", "grouping", "estimator"],
)
def test_words_are_those_of_the_registries(words: Any, registry: tuple[str, ...]) -> None:
    assert set(get_args(words)) == set(registry)


def test_configurations_load_neither_torch_nor_tables() -> None:
    program = (
        "import sys; from polytask.config import make_config\n"
        f"make_config({LEAST!r})\n"
        "for wrong in ({'steps': 0}, {'stepps': 1}, {'momentum': 0.5}, {'convergence': {'patience': 0}}):\n"
        f"    try: make_config({LEAST!r} | wrong)\n"
        "    except ValueError: pass\n"
        "    else: raise SystemExit(f'{wrong} was taken')\n"
        "print(*{'torch', 'pyarrow', 'numpy', 'sklearn'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_command_refuses_mistakes_before_it_loads_torch(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.csv", table_rows(30))
    common = ["fit", str(table), "--targets", "click,price", "--out", str(tmp_path / "run")]
    wrong = [["--steps", "0"], ["--set", "stepps=1"], ["--validation", "gone.csv", "--test", "gone.csv"]]
    program = (
        "import sys; from polytask.cli import app\n"
        f"for more in {wrong!r}:\n"
        f"    try: app({common!r} + more)\n"
        "    except SystemExit as error: assert error.code == 2\n"
        "    assert ('pyarrow' in sys.modules) == ('gone.csv' in more), more\n"
        "print(*{'torch', 'sklearn'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "" and done.stderr.count("gone.csv: no such file") == 2
    assert list(tmp_path.iterdir()) == [table]


@pytest.mark.parametrize("command", ["fit", "affinity"])
def test_help_shows_every_option_in_its_panel_and_cuts_nothing(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = polytask(command, "--help").output
    assert "…" not in text
    for name, title, *_ in options_of_keys(command):
        assert f"─ {title} ─" in text, name
    if command == "fit":
        assert all(f"--{option} " in text for option in OPTIONS.split())


def cases() -> list[tuple[str, str, Any]]:
    """Keys that need another one, and a value of that with which they have no effect."""
    hints = {"joint": {"restore": True}, "sequential": {"restore": False}, "convergence": {"patience": 3},
             "groups": [["click"], ["price"]], "momentum": 0.5, "sampling_temperature": 3.0}  # fmt: skip
    elsewhere = {"converge": "off", "grouping": "hoa", "optimizer": "adam", "sampling": "equal"}
    found = [(name, other) for name, key in keys_of(Config).items() for other in key.needs]
    return [(name, other, (hints[name], elsewhere[other])) for name, other in found]


@pytest.mark.parametrize(("name", "other", "values"), cases())
def test_a_key_is_refused_where_it_has_no_effect(name: str, other: str, values: tuple[Any, Any]) -> None:
    assert values[1] not in keys_of(Config)[name].needs[other]
    with pytest.raises(UserError, match=f"{name}: has an effect only with {other}: "):
        make_config({**LEAST, name: values[0], other: values[1]})


def test_needs_name_keys_and_values_that_there_are() -> None:
    for section in sections():
        keys = keys_of(Config if section in SECTIONS else section)
        for name, key in keys_of(section).items():
            assert set(key.needs) <= set(keys), name


def test_what_a_key_decides_is_reported_once() -> None:
    nothing, rounding = deciding(Config, Decides.NOTHING), deciding(Config, Decides.ROUNDING)
    assert nothing == {"checkpoint_seconds", "keep_checkpoints", "report_to", "jobs", "note"}
    assert rounding == {"device", "threads", "devices", "nodes", "strategy"}
    assert deciding(Config, Decides.PLACE) == {"data", "validation", "test", "from", "teachers"}
    assert deciding(TrainingSettings, *Decides) == set(TrainingSettings.model_fields)


def test_every_option_arrives_at_its_key() -> None:
    assert default_of(AffinityOptions, "estimator") == "auto"
    names = [name for name, *_ in options_of_keys("fit")]
    assert len(set(names)) == len(names) and set(names) <= set(known_keys(Config))
