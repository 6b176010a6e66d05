"""``polytask doctor``: what an expert would notice in a run."""

from __future__ import annotations

import json
from dataclasses import asdict

from ..display.text import printable
from . import options as o
from .app import command
from .predict import Run


@command(epilog="**Example**\n\n`polytask doctor runs/first`")
def doctor(run: Run, as_json: o.Json = False) -> None:
    """Diagnose a run: each finding with its evidence and the setting to try.

    Starved, dominated or conflicting targets, lost peaks, leaks, drift, noisy validation, convergence that came too
    early, too few steps, a learning rate that is off; targets that follow from other columns, ids as features, repeated
    rows, heavy tails, classes that are never predicted, targets that a constant predicts better.
    """
    from ..diagnosis import diagnose

    findings = diagnose(run)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=1))
        return
    for number, finding in enumerate(findings, 1):
        about = f" ({', '.join(finding.tasks[:8])}{', ...' if len(finding.tasks) > 8 else ''})" if finding.tasks else ""
        print(printable(f"{number}. {finding.kind}{about}\n   seen: {finding.evidence}\n   try:  {finding.advice}"))
    if findings:
        print(f"to try a setting: polytask fit {run / 'config.yaml'} --out NEW SETTING")
    else:
        print("no findings")
