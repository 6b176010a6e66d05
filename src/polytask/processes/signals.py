"""Signals that ask a process to end."""

import signal

#: Ctrl-C, and what batch systems send: SIGTERM, and SIGUSR1 some time before the end where SLURM is asked to.
SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []))
#: What a command states that was ended by one.
INTERRUPTED = "interrupted; `fit` continues with the same options and --resume, other commands when run again"
