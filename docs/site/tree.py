"""Hooks of the site: it has the repository's tree, its navigation lists whole folders, and it fetches nothing.

Pages link to each other, to code and to figures as files of the repository. So that one link does for both, the site
has every page under the repository's path, and every file that a page links to beside it.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LOG = logging.getLogger("mkdocs.hooks.tree")
PAGES = ("*.md", "docs/**/*.md", "benchmarks/**/*.md")
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^)#\s]+)")
#: What a browser would fetch by itself.
FETCHED = re.compile(r"<(?:link|script|img|iframe|source|video)\b[^>]*?(?:href|src)=[\"']?((?:https?:)?//[^\"'\s>]+)")


def pages() -> list[Path]:
    """All pages, without builds in between."""
    return sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Folders of the navigation become their pages, the overview first."""
    names = [path.relative_to(ROOT).as_posix() for path in pages()]

    def listed(entry: Any) -> Any:
        if isinstance(entry, dict):
            return {title: listed(inner) for title, inner in entry.items()}
        if isinstance(entry, list):
            found = [listed(inner) for inner in entry]
            return [page for inner in found for page in (inner if isinstance(inner, list) else [inner])]
        if isinstance(entry, str) and entry.endswith("/"):
            inside = [name for name in names if name.startswith(entry)]
            return sorted(inside, key=lambda name: (not name.endswith("README.md"), name))
        return entry

    config.nav = listed(config.nav)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Every page under its path in the repository, with every file that it links to."""
    theme = [
        file for file in files if not file.abs_src_path or not Path(file.abs_src_path).is_relative_to(ROOT / "docs")
    ]
    wanted = {ROOT / "docs/site/extra.css", *pages()}
    for page in pages():
        targets = (page.parent / target for target in LINK.findall(page.read_text(encoding="utf-8")))
        wanted |= {target.resolve() for target in targets if target.is_file()}
    own = [File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)) for path in sorted(wanted)]
    return Files([*theme, *own])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """In code in tables GitHub wants a bar escaped, and Python-Markdown would show the backslash."""
    return CODE.sub(lambda code: code[0].replace("\\|", "|"), markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Warn, and so fail, if a page would fetch something from elsewhere."""
    for address in FETCHED.findall(output):
        LOG.warning("%s fetches %s", page.file.src_uri, address)
    return output
