"""What a kept run's numbers depend on: whatever changes them asks for another run."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from polytask.comparison import fingerprint as module
from polytask.comparison.fingerprint import code_version, encoder_version, meaning, run_fingerprint
from small_encoder import text_encoder


def of(config: dict[str, Any]) -> str:
    return run_fingerprint("networks", config, {}, "test", "0" * 64)


def test_what_decides_nothing_is_left_out_and_all_else_counts() -> None:
    plain = of({"steps": 10, "jobs": 1})
    assert of({"steps": 10, "jobs": 8, "checkpoint_seconds": 1.0}) == plain
    assert of({"steps": 11, "jobs": 1}) != plain
    assert run_fingerprint("networks", {"steps": 10}, {}, "validation", "0" * 64) != plain
    assert run_fingerprint("networks", {"steps": 10}, {}, "test", "1" * 64) != plain


def test_another_version_of_an_encoders_package_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tabm")
    before = of({"encoder": "tabm"})
    assert encoder_version("tabm")["tabm"] == version("tabm")
    monkeypatch.setattr("polytask.models.encoders.encoder.version", lambda package: "99.0")
    assert of({"encoder": "tabm"}) != before


def test_another_checkpoint_in_a_folder_is_another_run(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    folder = text_encoder(tmp_path / "bert")
    config = {"encoder": f"hf:{folder}"}
    before = of(config)
    assert of(config) == before
    (folder / "special_tokens_map.json").write_text("{}")
    assert of(config) != before


def test_another_module_of_the_users_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "their_encoder.py"
    path.write_text("WIDTH = 8\n")
    before = of({"encoder": "their_encoder:Encoder"})
    path.write_text("WIDTH = 9\n")
    assert of({"encoder": "their_encoder:Encoder"}) != before


def test_comments_and_docstrings_do_not_count_and_code_does() -> None:
    code = 'class A:\n    """One."""\n\n    def f(self):\n        """Two."""\n        return "text"\n'
    same = 'class A:\n    """Other."""\n    def f(self): # why\n\n        return ("text")\n'
    assert meaning(code) == meaning(same)
    assert meaning(code) != meaning(code.replace('"text"', '"texts"')) != meaning(code.replace("def f", "def g"))


@pytest.mark.parametrize("package", ["torch", "numpy", "scikit-learn", "scipy"])
def test_another_version_of_a_package_is_another_run(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_version()
    found = module.versions() | {package: "99.0"}
    monkeypatch.setattr(module, "versions", lambda: found)
    assert code_version.__wrapped__() != before


def test_other_code_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    before = of({"steps": 10})
    monkeypatch.setattr(module, "code_version", lambda: "other")
    assert of({"steps": 10}) != before
