"""When one of several processes is lost, the others say which, and how to continue."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from zlib import crc32

#: Words in errors of the libraries through which processes talk.
_SIGNS = ("connection closed by peer", "connection reset by peer", "broken pipe", "connection refused", "timed out",
          "remote process exited", "connection was likely closed", "failed to recv", "socket closed")  # fmt: skip
#: Seconds that a process which has just been killed takes to be seen as dead.
_DEAD_SECONDS = 0.3
_members: list[tuple[int, int]] = []


def remember_members() -> None:
    """Note machine and number of every process of the training, to know later which one is lost."""
    import torch

    from .collectives import gather_from_all

    own = torch.tensor([_machine(), os.getpid()], dtype=torch.int64)
    _members[:] = [(int(machine), int(pid)) for machine, pid in (found.tolist() for found in gather_from_all(own))]


def is_lost(error: BaseException) -> bool:
    """Whether an error states that another process of the run does not answer any more."""
    from torch import distributed

    if not (_members or os.environ.get("WORLD_SIZE", "1") != "1" or os.environ.get("LOCAL_RANK")):
        return False
    network = isinstance(error, getattr(distributed, "DistNetworkError", ()) or ())
    return network or any(sign in str(error).lower() for sign in _SIGNS)


def lost_sentence() -> str:
    """What the first process that is left states; nothing for the others."""
    time.sleep(_DEAD_SECONDS)
    gone = [place for place, (machine, pid) in enumerate(_members) if machine == _machine() and not _alive(pid)]
    left = [place for place in range(len(_members)) if place not in gone]
    here = next((place for place, member in enumerate(_members) if member == (_machine(), os.getpid())), 0)
    if left and here != left[0]:
        return ""
    named = " and ".join(f"process {place} (pid {_members[place][1]})" for place in gone)
    which = f"{named} of {len(_members)}" if gone else "another process of this run"
    return (f"error: {which} was lost, and the others cannot continue; `fit` continues with the same options and "
            "--resume")  # fmt: skip


def _machine() -> int:
    return crc32(socket.gethostname().encode())


def _alive(pid: int) -> bool:
    """Whether a process of this machine runs; one that its parent has not taken note of does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] not in "ZX" if stat.exists() else True
    except (OSError, IndexError):
        return False
