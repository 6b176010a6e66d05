"""The command in a process of its own, also as on another host: within a network namespace."""

from __future__ import annotations

import ctypes
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from spawned import fork_server

NETWORK = 0x40000000  # CLONE_NEWNET


def start_command(
    arguments: Sequence[str], environment: Mapping[str, str], errors: Path, host: str | None = None
) -> BaseProcess:
    """``python -m polytask``, in a network namespace if it has a name; its standard error goes to a file."""
    process = fork_server().Process(target=_run, args=(list(arguments), dict(environment), str(errors), host))
    process.start()
    return process


def _run(arguments: list[str], environment: dict[str, str], errors: str, host: str | None) -> None:
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 2)
    if host is not None:
        space = os.open(f"/var/run/netns/{host}", os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(space, NETWORK):
            raise OSError(ctypes.get_errno(), f"setns {host}")
    os.environ.update(environment)
    sys.argv = ["polytask", *arguments]
    runpy.run_module("polytask", run_name="__main__", alter_sys=True)
