"""How the hub follows the log: what commits bring, in order of position, and what the sweep of the database finds.

Commits are hints: the own ones by a plain call, those of other instances over the bus, if it brings them. What is
missing is read, and now and then the database is looked at though nothing seems to be missing (the sweep).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import structlog

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.domain.model import Cursor, Position
from sanctum_messaging.hub.early_commits import EarlyCommits
from sanctum_messaging.hub.expected_ends import ExpectedEnds
from sanctum_messaging.hub.moves import Moves

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sanctum_messaging.domain.events import Committed, Event
    from sanctum_messaging.hub.counters import HubCounters
    from sanctum_messaging.hub.ring import Ring
    from sanctum_messaging.hub.settings import HubSettings
    from sanctum_messaging.ports.log import CursorState, EventLog

_READ_EVENTS = 1_000
"""Events of one read that fills a hole: about 1 MB."""

_logger = structlog.get_logger(__name__)


class LogTail:
    """Keeps the ring's tail at the log's end.

    ``on_event`` is called for every event, in order of position, each once, and ``on_applied`` after some of them,
    before anybody else can look; ``on_reset`` when the log turned out not to be the one that was followed. All are
    synchronous. ``sweep_seconds`` is asked how long the database may go without being looked at; none: as long as
    nothing seems to be missing.
    """

    def __init__(
        self,
        log: EventLog,
        ring: Ring,
        settings: HubSettings,
        counters: HubCounters,
        *,
        on_event: Callable[[Event], None],
        on_applied: Callable[[], None],
        on_reset: Callable[[Cursor], None],
        sweep_seconds: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._log = log
        self._sweep_seconds = sweep_seconds
        self._looked_at = settings.monotonic()
        self._is_unreadable = False
        self._ring = ring
        self._settings = settings
        self._counters = counters
        self._on_event = on_event
        self._on_applied = on_applied
        self._on_reset = on_reset
        self._early = EarlyCommits()
        self._expected = ExpectedEnds()
        self._behind = asyncio.Event()
        self.wanted = Position(0)
        self._doubtful = False
        self._moves = Moves()
        """Told when the tail has moved, or the database was looked at."""
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
        """Apply what a commit appended, and what waited for it.

        What was applied already is dropped. A hole is left to be filled by its writer, and after a moment to ``run``.
        """
        if committed.before.position > self._ring.tail.position:
            self._early.keep(committed)
            self._want(committed.events[-1].position if committed.events else committed.before.position)
            return
        self._take(committed)
        self._take_early()
        self._on_applied()
        self._moves.tell()

    def sweep(self) -> None:
        """Look at the database soon, whether or not anything seems to be missing."""
        self._doubtful = True
        self._behind.set()

    async def run(self) -> None:
        """Fill holes and sweep until cancelled. A database that can't be read is asked again, and all wait for it."""
        while True:
            await self._wait()
            self._behind.clear()
            try:
                if self._doubtful or self._ring.tail.position < self.wanted:
                    await self._fill()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is logged and tried again
                self._complain(error)
                await asyncio.sleep(self._settings.retry_seconds)
                # Whoever waits for the tail waits for a look at the database that succeeds.
                self.sweep()

    async def expect(self, end: Cursor) -> bool:
        """Note an end of the log that was just read: if the log loses it before the tail is there, that is noticed.

        False if it is of another log than what was applied: the tail has moved or the database was looked at meanwhile,
        so that it can be read again. Otherwise nothing is awaited.
        """
        if end.position > self._ring.tail.position:
            self._expected.add(end)
        elif self._ring.find_tag(end.position) not in {None, end.tag}:
            self.sweep()
            await self._moves.wait()
            return False
        return True

    async def reach(self, position: Position) -> None:
        """Wait until the tail has reached a position that is in the log, or until another log was taken up."""
        epoch = self.epoch
        while self._ring.tail.position < position and self.epoch == epoch:
            self._want(position)
            await self._moves.wait()

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

    async def recognises(self, upto: Cursor, after: Cursor) -> bool:
        """Tell whether a page that was just read behind a cursor ends in our log; if not, it is as in ``expect``."""
        if upto.position > after.position and self._ring.find_tag(upto.position) in {None, upto.tag}:
            return True
        self.sweep()
        await self._moves.wait()
        return False

    def _take(self, committed: Committed) -> None:
        """Apply a commit that follows the tail or reaches back over it."""
        if committed.before != self._ring.tail and self._contradicts(committed):
            self.sweep()
            return
        for event in committed.events:
            self._apply(event)

    def _take_early(self) -> None:
        while committed := self._early.take(self._ring.tail.position):
            self._take(committed)

    def _apply(self, event: Event) -> None:
        if event.position > self._ring.tail.position:
            self._on_event(event)
            if self._expected and not self._expected.agree(event.cursor):
                self._go_on_from(event.cursor)

    async def _wait(self) -> None:
        """Wait for a hole, and leave its writer a moment to fill it; or until it is time for a sweep."""
        period = self._sweep_seconds()
        left = None if period is None else max(0.0, self._looked_at + period - self._settings.monotonic())
        try:
            async with asyncio.timeout(left):
                await self._behind.wait()
                await asyncio.sleep(self._settings.hole_seconds)
        except TimeoutError:
            self._doubtful = True

    def _want(self, position: Position) -> None:
        self.wanted = max(self.wanted, position)
        self._behind.set()

    def _complain(self, error: Exception) -> None:
        """Log an outage of the database once, and anything else each time."""
        if not isinstance(error, UnavailableError):
            _logger.error("log_unreadable", exc_info=error)
        elif not self._is_unreadable:
            _logger.warning("log_unreadable", code=error.code)
        self._is_unreadable = True

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
        """Read what is missing, if it is still the same log."""
        while True:
            self._doubtful = False
            self._counters.sweeps += 1
            expected = self._expected.last
            events = await self._log.follow(self._ring.tail, limit=_READ_EVENTS)
            self._looked_at, self._is_unreadable = self._settings.monotonic(), False
            if events is None:
                await self._take_up_another()
                return
            for event in events:
                self._apply(event)
            self._take_early()
            self._on_applied()
            self._moves.tell()
            if len(events) < _READ_EVENTS:
                if self._ring.tail.position < expected:
                    await self._take_up_another()
                return

    async def _take_up_another(self) -> None:
        """The log lost what we followed (a restored backup, a failover): go on from its present end."""
        self._go_on_from(await self._log.read_head())

    def _go_on_from(self, head: Cursor) -> None:
        _logger.error("log_diverged", tail=str(self._ring.tail), head=str(head))
        self.epoch += 1
        self.wanted = head.position
        self._early.clear()
        self._expected.clear()
        self._on_reset(head)
        self._moves.tell()

    def _start_at(self, events: Sequence[Event]) -> None:
        for event in events[:1]:
            # The tag there is not known, and not asked for: the tail moves on at once.
            self._ring.reset(Cursor(Position(event.position - 1), ""))
        for event in events:
            self._ring.append(event)
