"""The writer: the one that appends, for a whole instance. Implements ``ports.log.Log``.

A batch is a sequence of runs: sends that follow one another share a commit, any other change has its own. The
acknowledgement follows the commit, never precedes it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import structlog

from sanctum_messaging.domain.errors import SanctumError, UnavailableError
from sanctum_messaging.domain.events import ConversationChange
from sanctum_messaging.domain.model import MessageDraft
from sanctum_messaging.observability.tracing import Link, Tracer
from sanctum_messaging.ports.log import Appended, AppendedMessage, Change, Stale
from sanctum_messaging.workers.batcher import Batcher, Entry

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from sanctum_messaging.domain.events import Committed
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.store import Store

Item: TypeAlias = MessageDraft | Change
Outcome: TypeAlias = AppendedMessage | Appended | Stale

_log = structlog.get_logger()

MANY_FAILURES = 3
"""One failed batch is a deadlock or a dropped connection; so many one after the other are not."""
REMEMBERED_SECONDS = 60.0
"""How long failures count that nothing has followed: where nobody sends, no commit tells that they are over."""
_DRAFT_OVERHEAD_BYTES = 512
_EVENT_BYTES = 6_000
"""A change's event holds at most a title and 4 KiB of metadata, beside those who are in a new conversation."""
_PARTICIPANT_BYTES = 240


@dataclass(slots=True)
class WriterCounts:
    """What the writer has done since the start."""

    commits: int = 0
    messages: int = 0
    events: int = 0
    replays: int = 0
    stale: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    """Since anything was committed."""
    failed_at: float = float("-inf")
    """When the last of them was, by the monotonic clock."""

    def note_failure(self, now: float) -> None:
        """Count a batch that was not committed, or not as a whole."""
        self.failures += 1
        self.failures_in_a_row += 1
        self.failed_at = now


class Writer:
    """Queues appends and commits them in groups. ``run`` must be running; ``close`` ends it once the queue is empty."""

    def __init__(
        self,
        store: Store,
        on_committed: Callable[[Committed], None],
        clock: Clock,
        tracer: Tracer | None = None,
    ) -> None:
        """``on_committed`` is called on the event loop after each commit, in the order of positions."""
        self._tracer = tracer
        self._monotonic = clock.monotonic
        self.counts = WriterCounts()
        self._store = store
        self._on_committed = on_committed
        self.batcher: Batcher[Item, Outcome] = Batcher(self._commit, size_of=_size_of, monotonic=clock.monotonic)
        self.run = self.batcher.run
        self.close = self.batcher.close

    @property
    def queued(self) -> int:
        """How many appends wait."""
        return len(self.batcher)

    @property
    def is_failing(self) -> bool:
        """Whether one batch after the other was not committed, the last of them a moment ago."""
        is_fresh = self._monotonic() - self.counts.failed_at < REMEMBERED_SECONDS
        return is_fresh and self.counts.failures_in_a_row >= MANY_FAILURES

    def append_message(self, draft: MessageDraft) -> asyncio.Future[AppendedMessage]:
        """Append a message; see ``ports.log.Log``."""
        # Each kind of item is resolved with its own kind of outcome (``_commit_runs``).
        return cast("asyncio.Future[AppendedMessage]", self.batcher.submit(draft, self._find_link()))

    def append_change(self, change: Change) -> asyncio.Future[Appended | Stale]:
        """Append a change; see ``ports.log.Log``."""
        return cast("asyncio.Future[Appended | Stale]", self.batcher.submit(change, self._find_link()))

    def _find_link(self) -> Link | None:
        return None if self._tracer is None else self._tracer.find_current()

    async def _commit(self, batch: Sequence[Entry[Item, Outcome]]) -> None:
        links = [entry.link for entry in batch if entry.link is not None]
        if self._tracer is None or not links:
            await self._commit_runs(batch)
            return
        with self._tracer.commit("commit", links) as span:
            span.note(entries=len(batch))
            await self._commit_runs(batch)

    async def _commit_runs(self, batch: Sequence[Entry[Item, Outcome]]) -> None:
        for sends, run in itertools.groupby(batch, key=lambda entry: isinstance(entry.item, MessageDraft)):
            entries = list(run)
            if sends:
                await self._commit_sends(entries)
            else:
                for entry in entries:
                    await self._commit_change(entry)

    async def _commit_sends(self, entries: Sequence[Entry[Item, Outcome]]) -> None:
        drafts = [entry.item for entry in entries if isinstance(entry.item, MessageDraft)]
        try:
            batch = await self._store.append_messages(drafts)
        except UnavailableError as refusal:
            self._refuse(entries, refusal)
        except Exception as fault:  # noqa: BLE001 - one bad send must not take the others with it
            await self._commit_one_by_one(entries, fault)
        else:
            # Callers go on in the next turn of the loop, and find it applied; what they answer over a socket is there
            # when the hub has the socket write the event.
            for entry, result in zip(entries, batch.results, strict=True):
                self.counts.replays += isinstance(result, AppendedMessage) and result.replayed
                entry.resolve(result)
            self.counts.messages += len(batch.committed.events)
            self._publish(batch.committed)

    async def _commit_one_by_one(self, entries: Sequence[Entry[Item, Outcome]], fault: Exception) -> None:
        self.counts.note_failure(self._monotonic())
        if len(entries) == 1:
            _log.error("append_failed", exc_info=fault)
            entries[0].resolve(fault)
            return
        for entry in entries:
            await self._commit_sends([entry])

    async def _commit_change(self, entry: Entry[Item, Outcome]) -> None:
        if not isinstance(entry.item, Change):
            raise TypeError(type(entry.item))
        if entry.outcome.done():
            # He has left while those before him were committed, which may have taken long; nothing of his was sent yet.
            return
        try:
            outcome = await self._store.append_change(entry.item)
        except UnavailableError as refusal:
            self._refuse([entry], refusal)
        except Exception as fault:  # noqa: BLE001 - the caller gets it; the writer goes on
            self.counts.note_failure(self._monotonic())
            _log.error("append_failed", exc_info=fault)
            entry.resolve(fault)
        else:
            if outcome.committed is not None:
                self._publish(outcome.committed)
            self.counts.stale += outcome.result == "stale"
            entry.resolve(outcome.result)

    def _publish(self, committed: Committed) -> None:
        """Tell the hub before the caller: who reads after his acknowledgement finds it applied."""
        self.counts.commits += 1
        self.counts.failures_in_a_row = 0
        self.counts.events += len(committed.events)
        if committed.events:
            self._on_committed(committed)

    def _refuse(self, entries: Sequence[Entry[Item, Outcome]], refusal: SanctumError) -> None:
        self.counts.note_failure(self._monotonic())
        _log.warning("append_refused", code=refusal.code, entries=len(entries), cause=type(refusal.__cause__).__name__)
        for entry in entries:
            entry.resolve(refusal)


def _size_of(item: Item) -> int:
    if isinstance(item, MessageDraft):
        return _DRAFT_OVERHEAD_BYTES + len(item.body) + len(item.metadata)
    first = sum(len(new.body.participants) for new in item.events if isinstance(new.body, ConversationChange))
    return _DRAFT_OVERHEAD_BYTES + _EVENT_BYTES * len(item.events) + _PARTICIPANT_BYTES * first
