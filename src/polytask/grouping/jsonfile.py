"""Small JSON files that are either whole or absent."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from polytask.errors import UserError


def write_json(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """Write ``content`` to ``path`` at once: a reader sees the old file or the new one, never half of it.

    Raises:
        OSError: the folder is absent or not writable.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, allow_nan=False)
            file.write("\n")
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_json(path: str | os.PathLike[str], made_by: str) -> Any:
    """The content of the JSON file at ``path``; ``made_by`` names the command that writes such a file.

    Raises:
        UserError: the file is absent, unreadable or not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {made_by} writes one") from None
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); give a JSON file as written by {made_by}"
        ) from None
    except ValueError as error:  # not JSON, or not text at all
        raise UserError(f"{path}: expected a JSON file as written by {made_by}, found other content: {error}") from None


def check_keys(content: Any, required: tuple[str, ...], where: str) -> list[str]:
    """What is wrong with ``content`` as a JSON object that needs the keys ``required`` (empty: nothing)."""
    if not isinstance(content, dict):
        return [f"{where}: expected an object with the keys {', '.join(required)}, found {type(content).__name__}"]
    found = ", ".join(map(str, content)) or "none"
    return [f"{where}: key {key!r} is missing (found: {found}); add it" for key in required if key not in content]
