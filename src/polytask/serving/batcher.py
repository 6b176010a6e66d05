"""Requests that arrive together are predicted together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Collects the items of many callers and works on them at once, in one thread.

    While one batch is worked on the next one grows, so that a busy server takes larger batches and an idle one does
    not wait.

    Args:
        work: Results for items, in order.
        most: Items of one batch; a larger request is a separate batch.
    """

    def __init__(self, work: Callable[[list[Item]], Sequence[Result]], most: int) -> None:
        self._work, self._most = work, most
        self._waiting: list[tuple[list[Item], asyncio.Future[list[Result]]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, items: list[Item]) -> list[Result]:
        """The results for the items of one caller."""
        future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            await self._serve(self._next())

    async def _serve(self, batch: list[tuple[list[Item], asyncio.Future[list[Result]]]]) -> None:
        together = [item for items, _ in batch for item in items]
        try:
            results = list(await asyncio.to_thread(self._work, together))
        except Exception as error:
            if len(batch) > 1:  # the fault of one is not the others'
                for request in batch:
                    await self._serve([request])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        start = 0
        for items, future in batch:
            if not future.done():  # the caller may have gone
                future.set_result(results[start : start + len(items)])
            start += len(items)

    def _next(self) -> list[tuple[list[Item], asyncio.Future[list[Result]]]]:
        count, size = 0, 0
        for items, _ in self._waiting:
            if count and size + len(items) > self._most:
                break
            count, size = count + 1, size + len(items)
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch
