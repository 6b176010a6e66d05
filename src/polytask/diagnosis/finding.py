"""One thing to know about a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something an expert would point at.

    Attributes:
        kind: Its name, such as ``starved``, ``dominated``, ``conflict``, ``leak``, ``drift`` or ``learning rate``.
        tasks: Tasks it is about.
        evidence: What was seen, with numbers.
        advice: What to try.
    """

    kind: str
    tasks: tuple[str, ...]
    evidence: str
    advice: str
