"""The documentation's examples run, its commands are understood, and its links lead somewhere."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml

import polytask
from documents import PAGES, ROOT, blocks, calls, links, names_of, wrong_with
from polytask import UserError
from polytask.balancing import BALANCERS
from polytask.comparison.config import CompareConfig
from polytask.comparison.tune import TuneConfig
from polytask.config import Config, flat, make_config
from polytask.config.layout import flat_names

#: Pages whose code is run elsewhere, and by what.
ELSEWHERE = {"docs/faq.md": "tests/wishes, section by section"}
WITH_PYTHON = [page for page in PAGES if blocks(page.read_text(encoding="utf-8"), "python")]


@pytest.mark.parametrize("page", [p for p in WITH_PYTHON if names_of(p) not in ELSEWHERE], ids=names_of)
def test_python_examples_of_a_page_run_in_order(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    for block in blocks(page.read_text(encoding="utf-8"), "python"):
        exec(compile(block, names_of(page), "exec"), names)
    if page.name == "README.md" and page.parent == ROOT:
        assert names["selection"].networks == (("click", "price"),)  # type: ignore[attr-defined]
    if page.name == "CONTRIBUTING.md":
        weights = names["Inverse"]().weights(_losses())  # type: ignore[operator]
        assert weights.tolist() == pytest.approx([1.5, 0.0, 0.5])


def _losses() -> polytask.balancing.TaskLosses:
    import torch

    return polytask.balancing.TaskLosses.from_mapping({"a": torch.tensor(1.0), "c": torch.tensor(3.0)}, ["a", "b", "c"])


@pytest.mark.parametrize("page", PAGES, ids=names_of)
def test_commands_of_a_page_are_understood(page: Path) -> None:
    wrong = [f"{line}: {problem}" for line, whole in calls(page) if (problem := wrong_with(line, whole=whole))]
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=names_of)
def test_configurations_of_a_page_are_accepted(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8"), "yaml"):
        found = yaml.safe_load(block)
        values = flat(found)
        kinds = [kind for kind in (Config, CompareConfig, TuneConfig) if set(values) <= set(kind.model_fields)]
        assert kinds, f"unknown keys: {set(values) - set(Config.model_fields)}"
        if Config in kinds:
            assert not flat_names(found), "keys outside of their sections"
            given = {"targets": ["a", "b"], **({} if "data" in values else {"data": "table.csv"})}
            if isinstance(values.get("data"), list):
                del given["targets"]
            try:
                make_config(given | values)
            except UserError as error:
                pytest.fail(f"{block}\n{error}")


@pytest.mark.parametrize("page", PAGES, ids=names_of)
def test_links_to_files_exist(page: Path) -> None:
    missing = [t for t in links(page.read_text(encoding="utf-8")) if "://" not in t and not (page.parent / t).exists()]
    assert not missing


def test_the_reference_has_every_public_name() -> None:
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "api").glob("*.md")]
    described = {name for page in pages for name in re.findall(r"(?m)^::: ([\w.]+)$", page)}
    for name in described:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name
    missing = set(polytask.__all__) - {name.rpartition(".")[2] for name in described} - {"balancing"}
    assert not missing


def test_every_method_has_a_page() -> None:
    assert {path.stem for path in (ROOT / "docs" / "methods").glob("*.md")} >= set(BALANCERS)


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(
        r"(?m)^ +- (?:[^:\n]+: )?([\w/.-]+(?:\.md|/))$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    )
    pages = [
        names_of(page)
        for page in PAGES
        if not re.match(r"docs/results/(?!studies/)\w+/|docs/results/studies/\w+/", names_of(page))
    ]
    assert len(listed) > 40
    assert not [
        page for page in pages if page not in listed and not any(page.startswith(f) for f in listed if f.endswith("/"))
    ]
