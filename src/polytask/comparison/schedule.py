"""Many schedules at once: whatever can run runs, whatever is known is not repeated."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Generic, TypeVar

from .cache import RunCache
from .execute import RunSpec, to_dict
from .pools import Pool
from .search import History, Outcome, Runs

Key = TypeVar("Key", bound=Hashable)
#: Called with a run's outcome and whether it was known already.
Report = Callable[[Outcome, bool], None]


def run_all(histories: Mapping[Key, Runs], pool: Pool, cache: RunCache, report: Report) -> dict[Key, History]:
    """Run all schedules to their ends.

    A run that is asked for twice is done once; a failed one is done again in the next comparison.
    """
    return _Schedule(histories, pool, cache, report).run()


class _Schedule(Generic[Key]):
    def __init__(self, histories: Mapping[Key, Runs], pool: Pool, cache: RunCache, report: Report) -> None:
        self.histories, self.pool, self.cache, self.report = histories, pool, cache, report
        self.outcomes: dict[str, Outcome] = {}
        self.running: dict[Future, RunSpec] = {}
        self.waiting: dict[Key, list[RunSpec]] = {}
        self.done: dict[Key, History] = {}

    def run(self) -> dict[Key, History]:
        for key in self.histories:
            self._advance(key, [])
        while self.running:
            finished, _ = wait(self.running, return_when=FIRST_COMPLETED)
            for future in finished:
                self._finish(self.running.pop(future), future)
            ready = [key for key, specs in self.waiting.items() if self._known(specs)]
            for key in ready:
                self._continue(key)
        return {key: self.done[key] for key in self.histories}

    def _advance(self, key: Key, outcomes: list[Outcome]) -> None:
        try:
            history = self.histories[key]
            self.waiting[key] = history.send(outcomes) if key in self.waiting else next(history)
        except StopIteration as stop:
            self.waiting.pop(key, None)
            self.done[key] = stop.value
            return
        for spec in self.waiting[key]:
            self._start(spec)
        if self._known(self.waiting[key]):
            self._continue(key)

    def _continue(self, key: Key) -> None:
        self._advance(key, [self.outcomes[spec.fingerprint] for spec in self.waiting[key]])

    def _known(self, specs: list[RunSpec]) -> bool:
        return all(spec.fingerprint in self.outcomes for spec in specs)

    def _start(self, spec: RunSpec) -> None:
        name = spec.fingerprint
        if name in self.outcomes or any(other.fingerprint == name for other in self.running.values()):
            return
        record = self.cache.load(name)
        if record is not None:
            self.outcomes[name] = Outcome(spec, record)
            self.report(self.outcomes[name], True)
        else:
            self.running[self.pool.submit(to_dict(spec), self.cache.folder(name))] = spec

    def _finish(self, spec: RunSpec, future: Future) -> None:
        record, failure = future.result()
        if record is not None:
            self.cache.store(spec.fingerprint, record)
        self.outcomes[spec.fingerprint] = Outcome(spec, record, failure)
        self.report(self.outcomes[spec.fingerprint], False)
