"""How the hub follows the log: what commits bring, in order of position, and what has to be read to fill a hole."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import structlog

from sanctum_messaging.domain.model import Cursor, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sanctum_messaging.domain.events import Committed, Event
    from sanctum_messaging.hub.ring import Ring
    from sanctum_messaging.hub.settings import HubSettings
    from sanctum_messaging.ports.log import CursorState, EventLog

_READ_EVENTS = 1_000
"""Events of one read that fills a hole: about 1 MB."""

_logger = structlog.get_logger(__name__)


class LogTail:
    """Keeps the ring's tail at the log's end.

    ``on_event`` is called for every event, in order of position, each once; ``on_reset`` when the log turned out not to
    be the one that was followed. Both are synchronous.
    """

    def __init__(
        self,
        log: EventLog,
        ring: Ring,
        settings: HubSettings,
        *,
        on_event: Callable[[Event], None],
        on_reset: Callable[[Cursor], None],
    ) -> None:
        self._log = log
        self._ring = ring
        self._settings = settings
        self._on_event = on_event
        self._on_reset = on_reset
        self._behind = asyncio.Event()
        self._wanted = Position(0)
        self._doubtful = False
        self._waiting: set[asyncio.Future[None]] = set()
        self.epoch = 0
        """How often another log was taken up; whoever awaits something compares it before and after."""

    async def start(self) -> None:
        """Fill the ring from the database, with as much as it holds."""
        limit = min(_READ_EVENTS, self._settings.ring_events)
        while True:
            events = await self._log.read_newest(limit)
            self._start_at(events)
            if len(events) < limit or self._ring.is_full:
                return
            limit = min(limit * 4, self._settings.ring_events)

    def apply(self, committed: Committed) -> None:
        """Apply what a commit appended. What was applied already is dropped, a hole is left to ``run``."""
        if self._contradicts(committed):
            self._doubtful = True
            self._behind.set()
            return
        if committed.before.position > self._ring.tail.position:
            self._want(committed.before.position)
            return
        for event in committed.events:
            if event.position > self._ring.tail.position:
                self._on_event(event)
        self._wake()

    async def run(self) -> None:
        """Fill holes until cancelled. A database that can't be read is asked again, and all wait for it."""
        while True:
            await self._behind.wait()
            await asyncio.sleep(self._settings.hole_seconds)
            self._behind.clear()
            try:
                if self._doubtful or self._ring.tail.position < self._wanted:
                    await self._fill()
            except Exception:
                _logger.exception("log_unreadable")
                await asyncio.sleep(self._settings.retry_seconds)
                self._behind.set()

    async def reach(self, position: Position) -> None:
        """Wait until the tail has reached a position that is in the log, or until another log was taken up."""
        epoch = self.epoch
        while self._ring.tail.position < position and self.epoch == epoch:
            self._want(position)
            moved = asyncio.get_running_loop().create_future()
            self._waiting.add(moved)
            try:
                await moved
            finally:
                self._waiting.discard(moved)

    async def check_cursor(self, cursor: Cursor) -> CursorState:
        """Compare a client's cursor with the log, in memory where the ring holds it; then wait until the tail is there.

        Nothing has been awaited since the log was found to be the present one when this returns.
        """
        while True:
            epoch = self.epoch
            state = self._find_state(cursor) or await self._log.check_cursor(cursor)
            if state == "ok":
                await self.reach(cursor.position)
            if epoch == self.epoch:
                return state

    def _want(self, position: Position) -> None:
        self._wanted = max(self._wanted, position)
        self._behind.set()

    def _find_state(self, cursor: Cursor) -> Literal["ok", "diverged"] | None:
        tag = self._ring.find_tag(cursor.position)
        if tag is None:
            return None
        return "ok" if tag == cursor.tag else "diverged"

    def _contradicts(self, committed: Committed) -> bool:
        """Tell whether a commit says another tag than ours for an event that was applied."""
        known = (committed.before, *(event.cursor for event in committed.events))
        return any(
            self._ring.find_tag(each.position) not in {None, each.tag}
            for each in known
            if each.position <= self._ring.tail.position
        )

    async def _fill(self) -> None:
        """See that it is still the same log, and read what is missing."""
        while True:
            self._doubtful = False
            if await self._log.check_cursor(self._ring.tail) != "ok":
                await self._take_up_another()
                return
            events = await self._log.read_log(after=self._ring.tail.position, limit=_READ_EVENTS)
            for event in events:
                if event.position > self._ring.tail.position:
                    self._on_event(event)
            self._wake()
            if len(events) < _READ_EVENTS:
                return

    async def _take_up_another(self) -> None:
        """The log lost what we followed (a restored backup, a failover): go on from its present end."""
        head = await self._log.read_head()
        _logger.error("log_diverged", tail=str(self._ring.tail), head=str(head))
        self.epoch += 1
        self._wanted = head.position
        self._on_reset(head)
        self._wake()

    def _start_at(self, events: Sequence[Event]) -> None:
        for event in events[:1]:
            # The tag there is not known, and not asked for: the tail moves on at once.
            self._ring.reset(Cursor(Position(event.position - 1), ""))
        for event in events:
            self._ring.append(event)

    def _wake(self) -> None:
        for moved in self._waiting:
            if not moved.done():
                moved.set_result(None)
