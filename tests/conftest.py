"""What holds for all tests.

Property-based tests try few examples, and always the same; ``--hypothesis-profile=long`` for thousands.
"""

import gc
import random
import signal

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from polytask.processes.signals import SIGNALS

_COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("short", max_examples=15, derandomize=True, **_COMMON)
settings.register_profile("long", max_examples=2000, **_COMMON)
settings.register_profile("nightly", max_examples=1000, **_COMMON)  # for tests/test_fuzz_runs.py
settings.load_profile("short")


def seed() -> None:
    random.seed(0)
    np.random.seed(0)
    if torch.cuda.is_initialized():
        torch.manual_seed(0)
    else:  # otherwise it notes down for every device where it was called from, which takes a millisecond
        torch.default_generator.manual_seed(0)


gc.disable()


def pytest_collection_finish() -> None:
    """What was loaded till now stays: garbage collections, which begin here, need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that of several processes none has one left when the others have done all."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collectstart() -> None:
    """Networks and numbers that a module draws while it is imported are the same in every run."""
    seed()


@pytest.fixture(autouse=True)
def random_numbers_begin_anew() -> None:
    seed()


HANDLERS = {number: signal.getsignal(number) for number in SIGNALS}


@pytest.fixture(autouse=True)
def signals_are_handled_as_at_first() -> None:
    """A command that has ended ignores signals, and tests call commands in their own process."""
    for number, handler in HANDLERS.items():
        if handler is not None:
            signal.signal(number, handler)
