"""What moves outside the log and still wants few commits: read markers and resume states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import structlog

from sanctum_messaging.domain.errors import SanctumError
from sanctum_messaging.workers.batcher import Batcher, Entry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sanctum_messaging.domain.model import Actor, ReadMarker
    from sanctum_messaging.ports.clock import Clock
    from sanctum_messaging.ports.resume_store import DropReason, ResumeState
    from sanctum_messaging.ports.store import MoveMarker, Store

T = TypeVar("T")
R = TypeVar("R")

_log = structlog.get_logger()


class Coalescer(Generic[T, R]):
    """Hands what arrives during one write to the next, as one. ``run`` must be running; ``close`` ends it."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[Sequence[R | SanctumError]]], clock: Clock) -> None:
        """``write`` gives one result for each item, in order."""
        self._write = write
        self.batcher: Batcher[T, R] = Batcher(self._commit, monotonic=clock.monotonic)
        self.run = self.batcher.run
        self.close = self.batcher.close

    @property
    def queued(self) -> int:
        """How many items wait for a commit."""
        return len(self.batcher)

    async def submit(self, item: T) -> R:
        """Write an item together with others; return after the commit."""
        return await self.batcher.submit(item)

    async def _commit(self, entries: Sequence[Entry[T, R]]) -> None:
        try:
            results = await self._write([entry.item for entry in entries])
        except Exception as fault:  # noqa: BLE001 - the callers get it; the writer goes on
            if not isinstance(fault, SanctumError):
                _log.error("write_failed", exc_info=fault)
            for entry in entries:
                entry.resolve(fault)
        else:
            for entry, result in zip(entries, results, strict=True):
                entry.resolve(result)


class ReadMarkerWriter:
    """``ports.read_markers.ReadMarkers``: a user who scrolls moves one marker many times, in few commits."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Write through the store."""
        self._coalescer: Coalescer[MoveMarker, ReadMarker] = Coalescer(store.move_read_markers, clock)
        self.batcher = self._coalescer.batcher
        self.run = self._coalescer.run
        self.close = self._coalescer.close

    async def move(self, move: MoveMarker) -> ReadMarker:
        """Move a marker; see the port."""
        return await self._coalescer.submit(move)


class ManyResumeStates(Protocol):
    """A resume store that takes many states, takes many sessions over, or forgets many, in one commit."""

    async def load_many(self, loads: Sequence[tuple[str, Actor]]) -> Sequence[tuple[ResumeState, str] | None]:
        """Take them over, each as if alone; none for each that is not the actor's to resume."""
        ...

    async def persist_many(self, states: Sequence[tuple[str, ResumeState, int]]) -> Sequence[bool]:
        """Store them; false for each that was superseded."""
        ...

    async def drop_many(self, resume_tokens: Sequence[str]) -> Sequence[None]:
        """Forget the sessions whose stored generation is not newer than the token's."""
        ...


class ResumeStateWriter:
    """Persists resume states in few commits, however many clients acknowledge."""

    def __init__(self, store: ManyResumeStates, clock: Clock) -> None:
        """Write through the resume store."""
        self._coalescer: Coalescer[tuple[str, ResumeState, int], bool] = Coalescer(store.persist_many, clock)
        self.batcher = self._coalescer.batcher
        self.run = self._coalescer.run
        self.close = self._coalescer.close

    async def persist(self, resume_token: str, state: ResumeState, ttl_seconds: int) -> bool:
        """Persist one state; see ``ports.resume_store``."""
        return await self._coalescer.submit((resume_token, state, ttl_seconds))


class ResumeStateLoader:
    """Takes sessions over in few commits, however many clients come back."""

    def __init__(self, store: ManyResumeStates, clock: Clock) -> None:
        """Take over through the resume store."""
        self._coalescer: Coalescer[tuple[str, Actor], tuple[ResumeState, str] | None]
        self._coalescer = Coalescer(store.load_many, clock)
        self.batcher = self._coalescer.batcher
        self.run = self._coalescer.run
        self.close = self._coalescer.close

    async def load(self, resume_token: str, actor: Actor) -> tuple[ResumeState, str] | None:
        """Take one session over; see ``ports.resume_store``."""
        return await self._coalescer.submit((resume_token, actor))


class ResumeStateDropper:
    """Forgets sessions in few commits, however many clients leave at once."""

    def __init__(self, store: ManyResumeStates, clock: Clock) -> None:
        """Forget through the resume store."""
        self._coalescer: Coalescer[str, None] = Coalescer(store.drop_many, clock)
        self.batcher = self._coalescer.batcher
        self.run = self._coalescer.run
        self.close = self._coalescer.close

    async def drop(self, resume_token: str, reason: DropReason) -> None:
        """Forget one session; see ``ports.resume_store``."""
        del reason
        await self._coalescer.submit(resume_token)
