"""Streams read by polling: the same pages as on the socket, and a wait that costs no query."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from sanctum_messaging.domain.errors import CursorLostError, RevokedError
from sanctum_messaging.domain.model import Cursor, Position, TenantId
from sanctum_messaging.hub.catch_up import CatchUp, Page
from sanctum_messaging.ports.streams import EncodedPage
from sanctum_messaging.presenters import encode_event
from sanctum_messaging.protocol.framing import frame_text, payload_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from sanctum_messaging.domain.events import Event
    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.hub.callables import IsRevoked
    from sanctum_messaging.hub.catch_up import Delivered, Source
    from sanctum_messaging.hub.user import User

_FIRST_PAGE = 50
"""Events of the first database page; full ones double while they fit, so that few large messages are read in vain."""


class Reader(Protocol):
    """Reads a stream page by page."""

    async def read(self, after: Cursor) -> Page | None:
        """Read the next page, not beyond the tail; none if the log is another now."""
        ...

    def take(self, taken: Sequence[Delivered]) -> bool:
        """Count frames against the limits of all pages together; tell whether there is room for more."""
        ...


class TenantReader:
    """Reads all events of a tenant, from the database."""

    def __init__(self, source: Source, tenant: TenantId, *, limit: int, max_bytes: int) -> None:
        self._source = source
        self._tenant = tenant
        self._limit = limit
        self._max_bytes = max_bytes
        self._window = source.settings.window
        self._page = min(limit, _FIRST_PAGE)

    async def read(self, after: Cursor) -> Page | None:
        source = self._source
        epoch = source.tail.epoch
        if after.position == source.ring.tail.position:
            return Page((), source.ring.tail)
        async with source.database:
            upto = Position(min(after.position + self._window, source.ring.tail.position))
            page = await source.log.read_tenant_stream(self._tenant, after=after.position, upto=upto, limit=self._page)
        if not await source.tail.recognises(page.upto, after):
            return Page((), after)
        if page.complete:
            self._window *= 2
        else:
            self._page *= 2
        frames = self._cut(page.events)
        cut = Page(frames, page.upto if len(frames) == len(page.events) else frames[-1][0])
        return cut if epoch == source.tail.epoch else None

    def take(self, taken: Sequence[Delivered]) -> bool:
        self._limit -= len(taken)
        self._max_bytes -= sum(len(frame) for _, frame, _ in taken)
        self._page = min(self._page, self._limit)
        return self._limit > 0 and self._max_bytes > 0

    def _cut(self, events: Sequence[Event]) -> Sequence[Delivered]:
        """Encode what there is room for; the last may exceed it, so that each page leads on."""
        frames: list[Delivered] = []
        room = self._max_bytes
        for event in events:
            if room <= 0:
                break
            frame = frame_text(encode_event(event))
            frames.append((event.cursor, frame, 1))
            room -= len(frame)
        return frames


class Polls:
    """Implements ``ports.streams.Streams`` for the hub."""

    def __init__(self, source: Source, is_revoked: IsRevoked) -> None:
        self._source = source
        self._is_revoked = is_revoked
        self._sleepers: dict[asyncio.Future[None], Actor] = {}
        self._tenants: dict[TenantId, set[asyncio.Future[None]]] = {}
        """Who waits for all events of a tenant, or reads them and will; no set is empty."""
        self._draining = False

    async def read(self, actor: Actor, *, cursor: Cursor | None, limit: int, wait_ms: int) -> EncodedPage:
        """See ``ports.streams.Streams.read``."""
        if cursor is None:
            return EncodedPage((), await self._source.log.read_head(), has_more=False)
        if actor.service and not actor.impersonating:
            return await self._read_tenant(actor, cursor, limit, wait_ms=wait_ms)
        users = self._source.users
        user = users.hold(actor.tenant, actor.user)
        try:
            epoch = await self._enter(cursor, await users.load(user))
            reader = CatchUp(self._source, user, limit=limit, max_bytes=self._source.settings.sync_bytes)
            return await self._poll(reader, user, cursor, actor=actor, epoch=epoch, wait_ms=wait_ms)
        finally:
            users.release(user, self._source.settings.monotonic())

    def wake(self, tenant: TenantId) -> None:
        """Something happened in a tenant."""
        for waiting in self._tenants.get(tenant, ()):
            if not waiting.done():
                waiting.set_result(None)

    def drain(self) -> None:
        """Answer all that wait, now and from now on."""
        self._draining = True
        self.wake_all()

    def wake_all(self) -> None:
        """Let all that wait look again."""
        self._source.users.wake_all()
        for tenant in self._tenants:
            self.wake(tenant)

    def end_revoked(self) -> None:
        """Wake those whose token was withdrawn, for whom it is over."""
        for woken, actor in self._sleepers.items():
            if not woken.done() and self._is_revoked(actor):
                woken.set_result(None)

    async def _read_tenant(self, actor: Actor, cursor: Cursor, limit: int, *, wait_ms: int) -> EncodedPage:
        head = await self._source.log.read_head()
        while not await self._source.tail.expect(head):
            head = await self._source.log.read_head()
        epoch = await self._enter(cursor, head)
        reader = TenantReader(self._source, actor.tenant, limit=limit, max_bytes=self._source.settings.sync_bytes)
        return await self._poll(reader, None, cursor, actor=actor, epoch=epoch, wait_ms=wait_ms)

    async def _enter(self, cursor: Cursor, head: Cursor) -> int:
        """Check a cursor, and wait until all is here that was acknowledged before the call.

        Returns the epoch of the log that holds the cursor; in another one it means nothing.
        """
        tail = self._source.tail
        state = await tail.check_cursor(cursor)
        epoch = tail.epoch
        if state != "ok":
            raise CursorLostError(state, head)
        await tail.reach(head.position)
        return epoch

    async def _poll(
        self,
        reader: Reader,
        user: User | None,
        cursor: Cursor,
        *,
        actor: Actor,
        epoch: int,
        wait_ms: int,
    ) -> EncodedPage:
        """Read up to the tail or the limit. With nothing there, wait until there is, or the time is up.

        Waiting costs no query. The pages of one call share its limit, so that whoever missed a few events in a long log
        gets them by one call; a log that is too long for that is told of in parts, so that each call gets on. Where the
        tail was when a page was asked for is far enough: what comes later wakes those whom it concerns.
        """
        clock = asyncio.get_running_loop().time
        until, enough = clock() + wait_ms / 1000, clock() + self._source.settings.sync_seconds
        frames: list[bytes] = []
        while True:
            with self._listening(actor, user) as woken:
                newest = self._source.ring.tail.position
                page = await reader.read(cursor) if epoch == self._source.tail.epoch else None
                if page is None:
                    raise CursorLostError("diverged", self._source.ring.tail)
                cursor = page.upto
                frames += [payload_of(frame) for _, frame, _ in page.frames]
                has_room, is_through = reader.take(page.frames), cursor.position >= newest
                left = 0.0 if self._draining else until - clock()
                if not has_room or (frames or left <= 0 if is_through else clock() >= enough):
                    return EncodedPage(frames, cursor, has_more=not is_through)
                if is_through:
                    await self._wait(woken, actor, left)

    @contextmanager
    def _listening(self, actor: Actor, user: User | None) -> Generator[asyncio.Future[None]]:
        """Give what is woken by all that happens from now on in the user's stream, without a user in the tenant's."""
        woken = asyncio.get_running_loop().create_future()
        waiting = self._tenants.setdefault(actor.tenant, set()) if user is None else user.waiting
        waiting.add(woken)
        self._sleepers[woken] = actor
        try:
            yield woken
        finally:
            waiting.discard(woken)
            del self._sleepers[woken]
            if user is None and not waiting:
                del self._tenants[actor.tenant]

    async def _wait(self, woken: asyncio.Future[None], actor: Actor, seconds: float) -> None:
        """Wait until woken, or for the time to pass.

        Raises:
            RevokedError: the token was withdrawn, before or meanwhile.
        """
        self._check(actor)
        await asyncio.wait((woken,), timeout=seconds)
        self._check(actor)

    def _check(self, actor: Actor) -> None:
        if self._is_revoked(actor):
            raise RevokedError
