"""Finished runs on disk, found again by their fingerprints."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import read_json, write_json


class RunCache:
    """One folder per run; its ``record.json`` is written last, whole, and with a checksum."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self.damaged: list[Path] = []

    def folder(self, fingerprint: str) -> Path:
        """The folder of a run."""
        return self.path / fingerprint[:24]

    def load(self, fingerprint: str) -> dict[str, Any] | None:
        """The record of a finished run; None if there is none, or a damaged one, which is removed."""
        path = self.folder(fingerprint) / "record.json"
        if not path.exists():
            return None
        try:
            stored = read_json(path)
            whole = stored["fingerprint"] == fingerprint and stored["checksum"] == checksum(stored["record"])
        except (UserError, KeyError, TypeError):
            whole = False
        if not whole:
            self.damaged.append(path)
            shutil.rmtree(path.parent, ignore_errors=True)
            return None
        record: dict[str, Any] = stored["record"]
        return record

    def store(self, fingerprint: str, record: dict[str, Any]) -> None:
        """Keep a record."""
        content = {"fingerprint": fingerprint, "checksum": checksum(record), "record": record}
        write_json(self.folder(fingerprint) / "record.json", content)


def checksum(record: Any) -> str:
    """SHA-256 of a record's content.

    Example:
        >>> checksum({"a": 1, "b": 2}) == checksum({"b": 2, "a": 1})
        True
    """
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
