"""Features that are named like ids."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ..records.run import Run
from .advice import quoted
from .finding import Finding
from .noted import names_in, noted


def ids_as_features(run: Run) -> Iterator[Finding]:
    """Features by which networks learn rows or customers by heart."""
    for warning in noted(run, "id"):
        name = shlex.quote(names_in(warning)[0])
        yield Finding(
            "id as a feature",
            (),
            warning,
            f"what is learned of one id is not true of another: leave it out ({quoted(f'--ignore {name}')}); rows of "
            f"the same one belong on one side of the split ({quoted(f'--group {name}')})",
        )
