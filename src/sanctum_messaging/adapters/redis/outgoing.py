"""What waits to be published: bounded, oldest first, and put together as late as possible."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sanctum_messaging.adapters.redis.contents import encode_event, encode_hint, encode_row
from sanctum_messaging.adapters.redis.envelope import Header, Kind
from sanctum_messaging.domain.events import Signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sanctum_messaging.adapters.redis.counts import BusCounts
    from sanctum_messaging.adapters.redis.settings import BusSettings
    from sanctum_messaging.domain.events import Committed
    from sanctum_messaging.domain.model import Position
    from sanctum_messaging.ports.resume_store import Takeover


class _Encoded(NamedTuple):
    """An event; ``before`` is the tag of the one before it in the log."""

    position: int
    tag: str
    before: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Sheet:
    """What goes into one envelope. ``events`` is how it came about, in case it comes back."""

    header: Header
    content: bytes
    events: tuple[_Encoded, ...] = ()


class Outgoing:
    """Takes at any time; ``take`` gives what is to be sent next. What is too much is dropped, the oldest first.

    The oldest are those that the other instances find soonest by themselves, in the database.
    """

    def __init__(self, settings: BusSettings, counts: BusCounts) -> None:
        self._settings = settings
        self._counts = counts
        self._events: deque[_Encoded] = deque()
        self._event_bytes = 0
        self._hints: deque[tuple[float, Kind, bytes]] = deque()
        self._beats = itertools.count(1)
        self._wants_beat = False
        self._filled = asyncio.Event()

    def add(self, committed: Committed) -> None:
        """Append a commit's events."""
        before = committed.before.tag
        for event in committed.events:
            data = encode_event(event)
            self._events.append(_Encoded(event.position, event.tag, before, data))
            self._event_bytes += len(data)
            before = event.tag
        self._trim()
        self._filled.set()

    def add_hint(self, hint: Signal | Takeover, now: float) -> None:
        """Append a signal or a takeover, which is of use for a moment."""
        kind = Kind.SIGNALS if isinstance(hint, Signal) else Kind.TAKEOVERS
        if len(self._hints) >= self._settings.max_hints:
            self._hints.popleft()
            self._counts.overflow += 1
        self._hints.append((now, kind, encode_hint(hint)))
        self._filled.set()

    def add_beat(self) -> None:
        """Have a heartbeat sent; one is enough however many are due."""
        self._wants_beat = True
        self._filled.set()

    async def wait(self) -> None:
        """Wait until there is something to take."""
        await self._filled.wait()

    def take(self, tail: Position, now: float) -> list[Sheet]:
        """Take what to send next: some of the events, and then all signals, which are not to come before them.

        ``tail`` is the newest event that was applied here: what signals must not arrive before.
        """
        sheets = list(itertools.islice(self._take_events(), self._settings.round_envelopes))
        if not self._events:
            sheets += self._take_hints(tail, now)
            self._filled.clear()
        if self._wants_beat:
            self._wants_beat = False
            sheets.append(Sheet(Header(Kind.HEARTBEAT, next(self._beats)), b""))
        return sheets

    def put_back(self, sheets: list[Sheet]) -> None:
        """Have the events of sheets sent again, before all others: nobody knows which of them arrived."""
        for event in reversed([event for sheet in sheets for event in sheet.events]):
            self._events.appendleft(event)
            self._event_bytes += len(event.data)
            self._filled.set()
        self._trim()

    def _take_events(self) -> Iterator[Sheet]:
        """Take runs of events without a hole, whichever commits they came from, as large as an envelope may be."""
        while self._events:
            run = [self._pop()]
            size = len(run[0].data)
            while self._continues(run, size):
                run.append(self._pop())
                size += len(run[-1].data)
            header = Header(Kind.EVENTS, run[-1].position, run[0].position, run[0].before)
            yield Sheet(header, encode_row([event.data for event in run]), tuple(run))

    def _continues(self, run: list[_Encoded], size: int) -> bool:
        if not self._events or len(run) == self._settings.envelope_events:
            return False
        last, following = run[-1], self._events[0]
        follows = (following.position, following.before) == (last.position + 1, last.tag)
        return follows and size + len(following.data) <= self._settings.envelope_bytes

    def _take_hints(self, tail: Position, now: float) -> Iterator[Sheet]:
        hints, self._hints = self._hints, deque()
        fresh = [hint for hint in hints if now - hint[0] <= self._settings.hint_seconds]
        self._counts.expired += len(hints) - len(fresh)
        for kind, run in itertools.groupby(fresh, key=lambda hint: hint[1]):
            yield Sheet(Header(kind, tail), encode_row([data for _, _, data in run]))

    def _trim(self) -> None:
        settings = self._settings
        while len(self._events) > settings.max_events or self._event_bytes > settings.max_event_bytes:
            self._pop()
            self._counts.overflow += 1

    def _pop(self) -> _Encoded:
        event = self._events.popleft()
        self._event_bytes -= len(event.data)
        return event
