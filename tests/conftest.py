"""What holds for all tests.

Property-based tests try few examples, and always the same; ``--hypothesis-profile=long`` for thousands.
"""

import signal

import pytest
from hypothesis import HealthCheck, settings

from polytask.processes.signals import SIGNALS

_COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("short", max_examples=15, derandomize=True, **_COMMON)
settings.register_profile("long", max_examples=2000, **_COMMON)
settings.register_profile("nightly", max_examples=1000, **_COMMON)  # for tests/test_fuzz_runs.py
settings.load_profile("short")

HANDLERS = {number: signal.getsignal(number) for number in SIGNALS}


@pytest.fixture(autouse=True)
def signals_are_handled_as_at_first() -> None:
    """A command that has ended ignores signals, and tests call commands in their own process."""
    for number, handler in HANDLERS.items():
        if handler is not None:
            signal.signal(number, handler)
