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
            f"what a network learns about one id does not transfer to another: leave it out "
            f"({quoted(f'--ignore {name}')}); keep rows "
            f"of one id in one split ({quoted(f'--group {name}')})",
        )
