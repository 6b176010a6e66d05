"""Files that a process may open, made sure of before others are started: one that has none left may wait for ever."""

from __future__ import annotations

import errno
import os
from pathlib import Path

#: What libraries open while they are loaded and at work, and what each process that is started takes for its pipes.
OF_LIBRARIES, OF_EACH = 24, 4
#: Where a system lists the files that a process has open.
_OPEN = (Path("/proc/self/fd"), Path("/dev/fd"))


def reserve_files(processes: int) -> None:
    """Make sure that this many processes can be started and work, and raise this process's own limit for it.

    Raises:
        OSError: There are not as many files left, and the system's limit does not allow more.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    wanted = _open_now() + OF_LIBRARIES + OF_EACH * processes
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _open_now() -> int:
    listed = next((folder for folder in _OPEN if folder.is_dir()), None)
    return sum(1 for _ in listed.iterdir()) if listed else 0
