"""Tasks of an earlier run to which others were added: how far they are what they were."""

from __future__ import annotations

from dataclasses import dataclass

from ..records.run import Run
from ..records.values import number


@dataclass(frozen=True)
class Earlier:
    """One task of the earlier run.

    Attributes:
        task: Its name.
        held: Held by what it predicted; otherwise it learned again from labels.
        networks: The networks that serve it now.
        agreement: Share of test rows with the same prediction; of numbers the coefficient of determination.
        change: Mean absolute difference, see ``docs/adding-tasks.md``.
    """

    task: str
    held: bool
    networks: list[int]
    agreement: float | None
    change: float | None


def earlier(run: Run) -> list[Earlier]:
    """The tasks of the earlier run; none if the run was not made with ``--from``."""
    return [
        Earlier(task, bool(entry.get("held")), run.networks_of(task), number(entry.get("agreement")),
                number(entry.get("change")))
        for task, entry in run.before.items()
    ]  # fmt: skip
