"""The entry point of the command."""

from __future__ import annotations

import subprocess
import sys

#: Ctrl-C at the moment when the command line is being imported.
INTERRUPTED_IMPORT = """
import sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "polytask.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from polytask.__main__ import main
main()
"""


def test_an_interrupt_while_the_command_line_loads_is_one_line() -> None:
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr.strip()) == (130, "interrupted")
