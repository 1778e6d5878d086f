"""The hub: tails the whole log, knows who sees what, and writes to its connections.

async with WebSocketHub(authenticate=…, log=…, …) as hub:
    hub.apply(committed)                 # by the writer, after each commit
    hub.open(transport, …)               # by an endpoint, for each socket
    await hub.read(actor, …)             # by GET /v1/sync
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

import structlog

from sanctum_messaging.domain.events import OF_MEMBERSHIPS
from sanctum_messaging.domain.model import ORIGIN
from sanctum_messaging.hub.callables import Callables, admit_all, take_all_on
from sanctum_messaging.hub.catch_up import Source
from sanctum_messaging.hub.connection import Connection
from sanctum_messaging.hub.counters import HubCounters
from sanctum_messaging.hub.drain import HubDrain
from sanctum_messaging.hub.fan_out import FanOut
from sanctum_messaging.hub.flush import Flush
from sanctum_messaging.hub.log_tail import LogTail
from sanctum_messaging.hub.polls import Polls
from sanctum_messaging.hub.registry import Parts, Registry
from sanctum_messaging.hub.ring import Ring
from sanctum_messaging.hub.settings import HubSettings
from sanctum_messaging.hub.signals import Signals
from sanctum_messaging.hub.turns import Turns
from sanctum_messaging.hub.users import Users
from sanctum_messaging.hub.view import HubView
from sanctum_messaging.protocol.codes import CloseCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from sanctum_messaging.domain.events import Committed, Event, Signal
    from sanctum_messaging.domain.model import Actor, ConversationId, Cursor, Position
    from sanctum_messaging.hub.callables import (
        AdmitFrame,
        Authenticate,
        DropResumeState,
        IsRevoked,
        IsTrusted,
        LoadResumeState,
        OnFrame,
        PersistResumeState,
        TakeOn,
    )
    from sanctum_messaging.hub.opening import Handshake
    from sanctum_messaging.hub.ring import Entry
    from sanctum_messaging.observability.hot_events import WriteEvent
    from sanctum_messaging.ports.log import EventLog
    from sanctum_messaging.ports.resume_store import Takeover
    from sanctum_messaging.ports.streams import EncodedPage
    from sanctum_messaging.ports.transport import Listener, Transport

_TURNS = 8
"""Ticks until each connection was looked at: they are many, and nothing about them is due to the second."""

_logger = structlog.get_logger(__name__)


class WebSocketHub:
    """Live delivery with lossless resume, usable without the rest of the service (``examples/hub_alone.py``).

    Entering it fills the ring from the log, so that it is ready on return; leaving it drains. It lives on one event
    loop, and all that is synchronous is called there and nowhere else. It is the ``ports.bus.Listener`` of a bus.

    Where others append to the same log, ``sweep_seconds`` says how long the database may go without being looked at.
    ``invalidate`` is told of each conversation whose set of participants changed; none: nothing that is known holds.
    ``take_on`` is asked of each handshake, before anything is done for it.
    Of ``is_revoked`` it asks for each connection that begins, and for all when told to ``end_revoked``.
    Of ``is_trusted`` it asks for each again and again: a token whose key is withdrawn counts as expired.
    ``write_event`` takes what the log tells of each connection, its beginning and its end.
    """

    def __init__(
        self,
        *,
        authenticate: Authenticate,
        load_resume_state: LoadResumeState,
        persist_resume_state: PersistResumeState,
        drop_resume_state: DropResumeState,
        log: EventLog,
        on_frame: OnFrame,
        admit_frame: AdmitFrame = admit_all,
        is_revoked: IsRevoked = lambda _: False,
        is_trusted: IsTrusted = lambda _: True,
        take_on: TakeOn = take_all_on,
        settings: HubSettings | None = None,
        sweep_seconds: Callable[[], float | None] = lambda: None,
        invalidate: Callable[[ConversationId | None], None] = lambda _: None,
        write_event: WriteEvent = lambda _event, _fields: None,
    ) -> None:
        self.settings = settings or HubSettings()
        self.counters = HubCounters()
        registry = Registry()
        self._drain = HubDrain(registry, self.settings)
        self.callables = Callables(
            authenticate,
            load_resume_state,
            persist_resume_state,
            drop_resume_state,
            on_frame,
            admit_frame,
            is_revoked,
            is_trusted,
            self._drain.guard(take_on),
        )
        self._ring = Ring(max_bytes=self.settings.ring_bytes, max_events=self.settings.ring_events)
        self._tail = LogTail(
            log,
            self._ring,
            self.settings,
            self.counters,
            on_event=self._apply_event,
            on_applied=self._hand_out,
            on_reset=self._reset,
            sweep_seconds=sweep_seconds,
        )
        self._invalidate = invalidate
        self._users = Users(log, linger_seconds=self.settings.linger_seconds, expect=self._tail.expect)
        self._fan_out = FanOut(self._users)
        source = Source(
            log=log,
            ring=self._ring,
            tail=self._tail,
            users=self._users,
            flush=Flush(),
            database=Turns(self.settings.database_catch_ups),
            settings=self.settings,
            counters=self.counters,
        )
        self._parts = Parts(self.callables, source, registry, write_event)
        self.view = HubView(self._parts)
        self._polls = Polls(source, is_revoked)
        self._signals = Signals(self._users, self._ring, self.settings.monotonic)
        self._lifespan = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._tail.start()
        tasks = await self._lifespan.enter_async_context(asyncio.TaskGroup())
        for each in (tasks.create_task(self._tail.run()), tasks.create_task(self._run_ticks())):
            self._lifespan.callback(each.cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.drain()
        finally:
            for connection in tuple(self._parts.registry.connections):
                connection.cut_off()
            await self._lifespan.__aexit__(kind, error, trace)

    @property
    def tail(self) -> Cursor:
        """The newest event that was applied here."""
        return self._ring.tail

    def apply(self, committed: Committed) -> None:
        """Take what a commit appended, after it; synchronous, and cheap per recipient. Never raises.

        Commits may come late, twice or not at all: order and completeness are the log's.
        """
        try:
            self._tail.apply(committed)
        except Exception:
            _logger.exception("apply_failed")
            self._begin_anew()

    def apply_signal(self, signal: Signal, after: Position = ORIGIN.position) -> None:
        """Tell those who are live of something that is not durable; of a moving read marker once a second.

        It is told once everything up to ``after`` was applied, or not at all if that takes more than a second.
        """
        self._signals.take(signal, after)

    def apply_takeover(self, takeover: Takeover) -> None:
        """Close the socket that holds an older generation of a session which was resumed elsewhere.

        Not if it was sent there: its client is about to be welcomed, and closes this one itself.
        """
        superseded = self._parts.registry.find_superseded(takeover)
        if superseded is not None and not self._drain.is_due(superseded):
            superseded.close(CloseCode.REPLACED)

    def end_revoked(self) -> None:
        """End all connections (4503, and nothing to resume) and polls whose token is revoked by now."""
        for connection in tuple(self._parts.registry.connections):
            connection.end_if_revoked()
        self._polls.end_revoked()

    def sweep(self) -> None:
        """Look at the log soon: something may have been missed."""
        self._tail.sweep()

    async def read(self, actor: Actor, *, cursor: Cursor | None, limit: int, wait_ms: int) -> EncodedPage:
        """Read a stream by polling; see ``ports.streams.Streams``, which the hub implements."""
        return await self._polls.read(actor, cursor=cursor, limit=limit, wait_ms=wait_ms)

    def open(self, transport: Transport, handshake: Handshake) -> Listener:
        """Serve one socket until it is closed; return who is to be told what happens on it.

        While draining, it is sent away at once.
        """
        connection = Connection(self._parts, transport, handshake)
        connection.begin()
        self._drain.take(connection)
        return connection

    async def drain_over(self, seconds: float) -> None:
        """Send everybody away, evenly over so many seconds; handshakes are refused, and polls answered at once.

        Each client is told its share of the time in ``drain``, and is served until it has gone to its next socket. Who
        has not gone soon after is closed (4000). Returns when all are gone, or should be; call ``drain`` then.
        """
        self._polls.drain()
        await self._drain.spread(seconds)

    async def drain(self) -> None:
        """Send everybody away, within 5 s: ``drain``, then close 4000; resume states are kept and polls answered."""
        self._polls.drain()
        await self._drain.end()

    def tick(self, turn: slice = slice(None)) -> None:
        """Look at all that depends on time, and at the connections whose turn it is; called every ``tick_seconds``."""
        now, wall_ms = self.settings.monotonic(), self.settings.now()
        for connection in tuple(self._parts.registry.connections)[turn]:
            connection.tick(now, wall_ms)
        self._drain.tick(now)
        self._users.expire(now)
        self._signals.tick(now)

    async def _run_ticks(self) -> None:
        for number in itertools.cycle(range(_TURNS)):
            await asyncio.sleep(self.settings.tick_seconds)
            try:
                self.tick(slice(number, None, _TURNS))
            except Exception:
                _logger.exception("tick_failed")

    def _apply_event(self, event: Event) -> None:
        """Deliver one event; from here on it counts as applied, and a fault of ours costs connections instead of it."""
        entry = self._ring.append(event)
        try:
            self._deliver(entry)
        except Exception:
            _logger.exception("apply_failed")
            self._begin_anew()

    def _deliver(self, entry: Entry) -> None:
        """Deliver one event: to whom it adds as well, and to whom it removes for the last time."""
        event = entry.event
        self._fan_out.add(entry)
        if event.kind in OF_MEMBERSHIPS:
            self._users.let_out(event)
            self._invalidate(event.conversation_id)
        self._polls.wake(event.tenant)
        self._signals.follow()
        self.counters.note_applied(event.at, self.settings.now())

    def _hand_out(self) -> None:
        try:
            self._fan_out.hand_out()
        except Exception:
            _logger.exception("apply_failed")
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Nobody knows what was delivered: all come back with their cursors, and are read anew."""
        self._fan_out.forget()
        self._users.forget_all()
        for connection in tuple(self._parts.registry.connections):
            connection.close(CloseCode.INTERNAL)

    def _reset(self, head: Cursor) -> None:
        """The log is another one now: nobody's picture can be mended from it."""
        self._ring.reset(head)
        self._fan_out.forget()
        self._users.forget_all()
        self._invalidate(None)
        self.counters.resets += 1
        for connection in self._parts.registry.connections:
            connection.delivery.start_over("diverged", head)
        self._polls.wake_all()
