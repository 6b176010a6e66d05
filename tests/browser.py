"""A page in a real browser: what a script finds there."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def seen_by(page: Path, script: str, width: int = 1200) -> str:
    """What ``script``, run at the end of the page, puts into ``document.title``; nothing may go to the console."""
    browser = next((name for name in BROWSERS if shutil.which(name)), None)
    if browser is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)}")
    test = page.with_name(f"test-{page.name}")
    test.write_text(page.read_text(encoding="utf-8").replace("</body>", f"<script>{script}</script></body>"), "utf-8")
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
               "--enable-logging=stderr", "--dump-dom", f"--window-size={width},900",
               f"--user-data-dir={page.with_name('profile')}", f"file://{test}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "CONSOLE" not in done.stderr, done.stderr
    found = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert found, done.stdout[:500]
    return html.unescape(found[1])
