"""The examples, started in processes of their own."""

from __future__ import annotations

import os
import runpy
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from spawned import fork_server

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


class Started:
    """An example in processes of its own, of which several know what torchrun tells; their output goes to a file.

    Args:
        imports: What they would spend most of their time on.
    """

    def __init__(self, example: str, folder: Path, processes: int = 2, imports: Sequence[str] = ()) -> None:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            together = {"WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "MASTER_PORT": free.getsockname()[1],
                        "MASTER_ADDR": "localhost", "TORCHELASTIC_RUN_ID": "none"}  # fmt: skip
        self._output = folder / "output.txt"
        self._output.unlink(missing_ok=True)
        server = fork_server(*imports)
        known = [together | {"RANK": rank, "LOCAL_RANK": rank} for rank in range(processes)] if processes > 1 else [{}]
        self.processes = [server.Process(target=_run, args=(EXAMPLES / example, folder, one)) for one in known]
        for process in self.processes:
            process.start()

    def kill(self) -> None:
        """Kill all before waiting for any: one whose peer is gone would end by itself, with an error."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()

    def output(self) -> str:
        """What they wrote, once they have ended; fail if they have not after some minutes."""
        try:
            for process in self.processes:
                process.join(300)
            written = self._output.read_text()
            assert {process.exitcode for process in self.processes} == {0}, written[-3000:]
        finally:
            self.kill()
        return written


def _run(example: Path, folder: Path, environment: dict[str, object]) -> None:
    os.chdir(folder)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update({"ACCELERATE_USE_CPU": "true"} | {name: str(value) for name, value in environment.items()})
    runpy.run_path(str(example))
    sys.stdout.flush()
