"""Group commit: while one commit is in flight, what arrives queues up and goes out in order as the next batch."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.observability.histogram import SIZES, Histogram

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sanctum_messaging.observability.tracing import Link

T = TypeVar("T")
R = TypeVar("R")

MAX_QUEUED = 10_000
"""Entries that may wait; above, callers are told ``overloaded``."""
MAX_QUEUED_BYTES = 16 * 1024 * 1024
MAX_BATCH = 256
"""Entries of one commit: larger batches save little and make everybody wait for the slowest."""
MAX_BATCH_BYTES = 1024 * 1024
MAX_WAIT_SECONDS = 5.0
"""Longer than a database takes to restart. Who waited so long is told to come again, at once and also while a commit
gets no answer: his entry is dropped before it enters a batch, never after."""
_EXPIRY_SLACK_SECONDS = 0.05
"""So that a timer finds what has expired, and not what is about to."""


@dataclass(slots=True)
class Entry(Generic[T, R]):
    """One item on its way into a commit, and the future that its caller awaits."""

    item: T
    size: int
    deadline: float
    outcome: asyncio.Future[R]
    link: Link | None = None
    """The caller's span, if it is recorded."""

    def resolve(self, outcome: R | Exception) -> None:
        """Answer the caller, unless he has gone."""
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class BatchTimes:
    """What becomes of the entries of a queue, for whoever shows metrics."""

    def __init__(self) -> None:
        self.waits = Histogram()
        """Seconds in the queue, of each entry that came into a batch."""
        self.sizes = Histogram(SIZES)
        """Entries of each batch."""
        self.commits = Histogram()
        """Seconds from taking a batch until all its entries were answered."""

    def note(self, waits: Sequence[float], seconds: float) -> None:
        """Count one batch."""
        for each in waits:
            self.waits.observe(each)
        self.sizes.observe(len(waits))
        self.commits.observe(seconds)


class Batcher(Generic[T, R]):
    """A bounded queue in front of a commit. ``run`` owns the commits and ends once ``close`` was called."""

    def __init__(
        self,
        commit: Callable[[Sequence[Entry[T, R]]], Awaitable[None]],
        *,
        size_of: Callable[[T], int] = lambda _: 1,
        monotonic: Callable[[], float],
    ) -> None:
        """``commit`` resolves every entry it is given, and raises nothing that concerns one entry only."""
        self._commit = commit
        self._size_of = size_of
        self._monotonic = monotonic
        self.times = BatchTimes()
        self._queue: deque[Entry[T, R]] = deque()
        self._queued_bytes = 0
        self._arrived = asyncio.Event()
        self._closed = False
        self._expiry: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Count the entries that wait."""
        return len(self._queue)

    @property
    def queued_bytes(self) -> int:
        """How large they are together."""
        return self._queued_bytes

    def submit(self, item: T, link: Link | None = None) -> asyncio.Future[R]:
        """Queue an item, now: the order of calls is the order of commits.

        Raises:
            UnavailableError: ``overloaded``, or ``stopping``; nothing will be written.
        """
        size = self._size_of(item)
        if self._closed:
            detail = "The service is stopping."
            raise UnavailableError(detail, code="stopping")
        if len(self._queue) >= MAX_QUEUED or self._queued_bytes + size > MAX_QUEUED_BYTES:
            detail = "Too much waits to be written."
            raise UnavailableError(detail, code="overloaded")
        outcome: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.append(Entry(item, size, self._monotonic() + MAX_WAIT_SECONDS, outcome, link))
        self._queued_bytes += size
        self._arrived.set()
        self._expire_later()
        return outcome

    def close(self) -> None:
        """Take nothing more; ``run`` commits what waits, then ends."""
        self._closed = True
        self._arrived.set()

    async def run(self) -> None:
        """Commit batch after batch until closed and empty."""
        while True:
            await self._arrived.wait()
            batch = self._take()
            if batch:
                begun = self._monotonic()
                await self._commit(batch)
                self.times.note([begun + MAX_WAIT_SECONDS - each.deadline for each in batch], self._monotonic() - begun)
            elif self._closed:
                self._stop_timer()
                return
            else:
                self._arrived.clear()

    def _take(self) -> list[Entry[T, R]]:
        self._drop_expired()
        batch: list[Entry[T, R]] = []
        size = 0
        while self._queue and len(batch) < MAX_BATCH:
            if batch and size + self._queue[0].size > MAX_BATCH_BYTES:
                break
            entry = self._pop()
            if entry.outcome.cancelled():
                continue
            batch.append(entry)
            size += entry.size
        return batch

    def _pop(self) -> Entry[T, R]:
        entry = self._queue.popleft()
        self._queued_bytes -= entry.size
        return entry

    def _drop_expired(self) -> None:
        """Refuse those who waited too long; they are the first, since all may wait equally long."""
        now = self._monotonic()
        while self._queue and self._queue[0].deadline < now:
            self._pop().resolve(UnavailableError("It waited too long to be written.", code="overloaded"))

    def _expire_later(self) -> None:
        """Look at the deadlines while nobody takes from the queue; one timer is enough for all who wait."""
        if self._expiry is None and self._queue:
            seconds = max(0.0, self._queue[0].deadline - self._monotonic()) + _EXPIRY_SLACK_SECONDS
            self._expiry = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _stop_timer(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()

    def _expire(self) -> None:
        self._expiry = None
        self._drop_expired()
        self._expire_later()
