"""The site builds as a version among others, with search and copy buttons."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from documents import ROOT


@pytest.mark.slow
def test_the_site_is_deployed_as_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("mike", "mkdocs"):
        pytest.importorskip(package, reason="the extra 'docs' is not installed")
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # mike calls mkdocs by its name
    listed = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git repository")
    for name in filter(None, listed.stdout.split("\0")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("git", "init", "--quiet")
    for key, value in (("user.name", "tests"), ("user.email", "tests@localhost")):
        run("git", "config", key, value)
    run("git", "commit", "--quiet", "--allow-empty", "--message", "a site")
    run("mike", "deploy", "--update-aliases", "0.1", "latest")
    assert json.loads(run("git", "show", "gh-pages:versions.json"))[0]["aliases"] == ["latest"]
    home = run("git", "show", "gh-pages:0.1/index.html")
    assert "content.code.copy" in home and '"provider": "mike"' in home
    for file in re.findall(r'(?:href|src)="(?!https?:)([^"]+\.(?:css|js))"', home):
        run("git", "cat-file", "-e", f"gh-pages:0.1/{file}")
    found = json.loads(run("git", "show", "gh-pages:0.1/search/search_index.json"))["docs"]
    assert any("KeptPeaks" in entry["title"] for entry in found)
