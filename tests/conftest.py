"""How many examples property-based tests try: few and always the same; ``--hypothesis-profile=long`` for thousands."""

from hypothesis import HealthCheck, settings

_COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("short", max_examples=15, derandomize=True, **_COMMON)
settings.register_profile("long", max_examples=2000, **_COMMON)
settings.register_profile("nightly", max_examples=1000, **_COMMON)  # for tests/test_fuzz_runs.py
settings.load_profile("short")
