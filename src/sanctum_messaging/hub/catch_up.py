"""How a user's stream is read up to the tail: page by page, from the ring where it can tell, else from the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanctum_messaging.domain.model import Cursor, Position
from sanctum_messaging.presenters import encode_event
from sanctum_messaging.protocol.framing import frame_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sanctum_messaging.hub.counters import HubCounters
    from sanctum_messaging.hub.flush import Flush
    from sanctum_messaging.hub.log_tail import LogTail
    from sanctum_messaging.hub.ring import Ring
    from sanctum_messaging.hub.settings import HubSettings
    from sanctum_messaging.hub.turns import Turns
    from sanctum_messaging.hub.user import User
    from sanctum_messaging.hub.users import Users
    from sanctum_messaging.ports.log import EventLog

_FIRST_PAGE = 50
"""Events of the first database page; they double while they fit, so that large messages are not read to be dropped."""
_NARROWEST = 256
_WIDER = 4
"""How much wider the next window is after one that held less than a page: a million foreign events take five."""

Delivered = tuple[Cursor, bytes, int]
"""Frames as they go over a WebSocket, the cursor that a client which has handled them may hold, and how many they are.
On a page they are one each."""


@dataclass(frozen=True, slots=True)
class Page:
    """Frames in order of position, and up to where everything was examined."""

    frames: Sequence[Delivered]
    upto: Cursor


@dataclass(frozen=True, slots=True)
class Source:
    """Where pages come from: shared by all connections and polls of a hub."""

    log: EventLog
    ring: Ring
    tail: LogTail
    users: Users
    database: Turns
    """So many pages are read from the database at a time."""
    flush: Flush
    settings: HubSettings
    counters: HubCounters


class CatchUp:
    """One reader of one user's stream. All but ``read`` is synchronous; that waits for what is needed."""

    __slots__ = ("_limit", "_max_bytes", "_page", "_source", "_user", "_window")

    def __init__(self, source: Source, user: User, *, limit: int, max_bytes: int) -> None:
        self._source = source
        self._user = user
        self._limit = limit
        self._max_bytes = max_bytes
        self._window = source.settings.window
        self._page = min(limit, _FIRST_PAGE)

    def rest(self, after: Cursor) -> Sequence[Delivered] | None:
        """Take all that is left up to the tail, if it is in memory and fits into one page; none otherwise.

        Whoever goes live on it awaits nothing in between.
        """
        page = self._from_ring(after)
        if page is None or page.upto != self._source.ring.tail:
            return None
        self._source.counters.catch_up_ring += bool(page.frames)
        return page.frames

    def read_at_once(self, after: Cursor) -> Page | None:
        """Read the next page if it is in memory."""
        page = self._from_ring(after)
        if page is not None:
            self._source.counters.catch_up_ring += bool(page.frames)
        return page

    def take(self, taken: Sequence[Delivered]) -> bool:
        """Count frames against the limits of all pages together; tell whether there is room for more."""
        self._limit -= len(taken)
        self._max_bytes -= sum(len(frame) for _, frame, _ in taken)
        self._page = min(self._page, self._limit)
        return self._limit > 0 and self._max_bytes > 0

    async def read(self, after: Cursor) -> Page | None:
        """Read the next page, not beyond the tail; it may be empty and still lead on. None if the log is another now.

        On return the tail is not below the log's end that ``Users.load`` told of this user's memberships.
        """
        epoch = self._source.tail.epoch
        while not self._is_ready(after):
            await self._get_ready(after)
            if epoch != self._source.tail.epoch:
                return None
        page = self.read_at_once(after) or await self._from_database(after)
        return page if epoch == self._source.tail.epoch else None

    def _is_ready(self, after: Cursor) -> bool:
        return self._user.loaded and self._source.ring.tail.position >= max(self._user.as_of, after.position)

    async def _get_ready(self, after: Cursor) -> None:
        if self._user.loaded:
            await self._source.tail.reach(max(self._user.as_of, after.position))
        else:
            await self._source.users.load(self._user)

    def _from_ring(self, after: Cursor) -> Page | None:
        """Read a page from memory, if the present memberships are those of all that follows the cursor."""
        user, ring = self._user, self._source.ring
        if not self._is_ready(after):
            return None
        if after.position == ring.tail.position:
            return Page((), ring.tail)
        if after.position < user.changed_at or not ring.covers(after.position):
            return None
        entries = ring.entries(user.conversations, after.position)
        frames, whole = self._cut((each.event.cursor, each.frame, 1) for each in entries if user.sees(each.event))
        return Page(frames, ring.tail if whole else frames[-1][0])

    async def _from_database(self, after: Cursor) -> Page:
        """Read a page of a window of positions: the width bounds what is sorted, whatever the user has missed."""
        user, source = self._user, self._source
        async with source.database:
            upto = Position(min(after.position + self._window, source.ring.tail.position))
            page = await source.log.read_stream(
                user.tenant, user.name, after=after.position, upto=upto, limit=self._page
            )
        source.counters.catch_up_database += 1
        if not await source.tail.recognises(page.upto, after):
            return Page((), after)
        self._window = self._window * _WIDER if page.complete else max(self._window // 2, _NARROWEST)
        frames, whole = self._cut((event.cursor, frame_text(encode_event(event)), 1) for event in page.events)
        self._page = min(self._limit, 2 * (self._page if whole else len(frames)))
        return Page(frames, page.upto if whole else frames[-1][0])

    def _cut(self, found: Iterable[Delivered]) -> tuple[Sequence[Delivered], bool]:
        """Take what fits into a page, at least one; tell whether that is all."""
        frames: list[Delivered] = []
        room = self._max_bytes
        for delivered in found:
            room -= len(delivered[1])
            if frames and (room < 0 or len(frames) == self._limit):
                return frames, False
            frames.append(delivered)
        return frames, True
