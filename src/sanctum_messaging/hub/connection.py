"""One client's connection: its tasks, its timeouts and its end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.hub.delivery import Delivery
from sanctum_messaging.hub.dialogue import Dialogue
from sanctum_messaging.hub.transport import DisconnectedError
from sanctum_messaging.presenters import name_actor
from sanctum_messaging.protocol.codes import CLOSE_REASONS, CloseCode
from sanctum_messaging.protocol.frames import Drain
from sanctum_messaging.protocol.session import Due, Phase, ServerSession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.hub.opening import Handshake
    from sanctum_messaging.hub.registry import Parts
    from sanctum_messaging.hub.transport import Transport
    from sanctum_messaging.observability.hot_events import Fields

_GONE = 1006
"""Stands for a client that went away by itself; never sent."""
_WITHOUT_STATE = frozenset((CloseCode.NORMAL, CloseCode.REPLACED))
"""After these there is nothing to come back to on this connection's token."""

_logger = structlog.get_logger(__name__)


class Connection:
    """Owns all tasks of one socket. An unexpected error in any of them closes this connection and touches no other."""

    def __init__(self, parts: Parts, transport: Transport, handshake: Handshake) -> None:
        settings = parts.source.settings
        self._parts = parts
        self._settings = settings
        self._transport = transport
        self._handshake = handshake
        self._begun = settings.monotonic()
        self._session = ServerSession(
            settings.monotonic(),
            heartbeat_seconds=settings.heartbeat_ms / 1000,
            hello_seconds=settings.hello_seconds,
        )
        self.delivery = Delivery(parts.source, transport, self._session)
        self._dialogue = Dialogue(
            parts, self, transport, session=self._session, delivery=self.delivery, handshake=handshake
        )
        self._closing: asyncio.Future[CloseCode | None] = asyncio.get_running_loop().create_future()
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._persisting = False

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return self._session.phase

    async def run(self) -> None:
        """Serve the client until he leaves or is closed; leaves nothing behind, also when it is cancelled."""
        self._parts.registry.enter(self)
        self._parts.source.counters.connections += 1
        self._tell("connection_opened", {})
        try:
            async with self._tasks:
                self.spawn(self._dialogue.run)
                writing = self.spawn(self.delivery.run)
                code = await self._closing
                await self._finish(code, writing)
            await self._keep(code)
            await self._hang_up(code)
        finally:
            self._forget()

    def spawn(self, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run something as a task of this connection, which ends with it."""
        task = self._tasks.create_task(self._guard(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def close(self, code: CloseCode | None) -> None:
        """Close with a code, or with none where the client is gone; the first call counts."""
        if not self._closing.done():
            self._closing.set_result(code)
            self._session.close()
            self.delivery.stop()
            self._parts.source.counters.closes[_GONE if code is None else code] += 1

    def end_if_revoked(self) -> None:
        """Close if the token that this connection rests on was withdrawn."""
        actor = self._dialogue.actor or self._handshake.actor
        if actor is not None and self._parts.callables.is_revoked(actor):
            self.close(CloseCode.FORBIDDEN)

    def drain(self, reconnect_in_ms: int) -> None:
        """Send the client to another instance."""
        self.delivery.reply(Drain(reconnect_in_ms=reconnect_in_ms))
        self.close(CloseCode.DRAIN)

    def tick(self, now: float) -> None:
        """Look at all that depends on time."""
        if self._closing.done():
            return
        due = self._session.find_due(now, listening=self._dialogue.listening)
        stalled = self.delivery.stalled_since()
        if isinstance(due, CloseCode):
            self.close(due)
        elif stalled is not None and now - stalled >= self._settings.stall_seconds:
            self.close(CloseCode.SLOW)
        elif self._is_expired():
            self.close(CloseCode.TOKEN_EXPIRED)
        elif due is Due.PING:
            self.delivery.ping()
        if self._is_persist_due(now):
            self._persisting = True
            self.spawn(self._persist)

    def _is_expired(self) -> bool:
        actor = self._dialogue.actor
        return actor is not None and self._settings.now() >= actor.expires_at + self._settings.token_grace_ms

    def _is_persist_due(self, now: float) -> bool:
        opening = self._dialogue.opening
        return not self._closing.done() and not self._persisting and opening is not None and opening.resume.is_due(now)

    async def _persist(self) -> None:
        try:
            if self._dialogue.opening is not None and not await self._dialogue.opening.resume.persist():
                self.close(CloseCode.REPLACED)
        except UnavailableError:
            _logger.warning("resume_state_not_kept")
        finally:
            self._persisting = False

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """The exception barrier: whatever goes wrong ends this connection, and the client comes back to another."""
        try:
            await work()
        except DisconnectedError:
            self.close(None)
        except UnavailableError as error:
            # Of an outage the database's own part tells in full; here it would be told once per connection.
            _logger.warning("stream_unreadable", code=error.code)
            self.close(CloseCode.INTERNAL)
        except Exception:
            _logger.exception("connection_failed")
            self.close(CloseCode.INTERNAL)

    async def _finish(self, code: CloseCode | None, writing: asyncio.Task[None]) -> None:
        """End the tasks; what was already answered still goes out, if the client reads."""
        for task in self._running - {writing}:
            task.cancel()
        if code is not None and code is not CloseCode.SLOW:
            self.delivery.end()
            await asyncio.wait((writing,), timeout=self._settings.close_seconds)
        writing.cancel()

    async def _keep(self, code: CloseCode | None) -> None:
        """Persist the last acknowledgement, so that whoever resumes at once starts from it; the revoked may not."""
        if self._dialogue.opening is None or code in _WITHOUT_STATE:
            return
        resume = self._dialogue.opening.resume
        try:
            async with asyncio.timeout(self._settings.close_seconds):
                await (resume.drop("revoked") if code is CloseCode.FORBIDDEN else resume.persist())
        except (TimeoutError, UnavailableError):
            _logger.warning("resume_state_not_kept")

    async def _hang_up(self, code: CloseCode | None) -> None:
        if code is None:
            return
        with suppress(TimeoutError, DisconnectedError):
            async with asyncio.timeout(self._settings.close_seconds):
                await self._transport.close(code, CLOSE_REASONS[code])

    def _forget(self) -> None:
        source, opening = self._parts.source, self._dialogue.opening
        self.close(None)
        source.counters.connections -= 1
        self._parts.registry.leave(self)
        if opening is not None:
            self._parts.registry.give_up(opening.resume)
            source.users.release(opening.user, self._settings.monotonic())
        self._tell_end(_GONE if self._closing.cancelled() else self._closing.result() or _GONE)
        self._dialogue.part()

    def _tell_end(self, code: int) -> None:
        dialogue = self._dialogue
        fields = {
            "code": int(code),
            "duration_s": round(self._settings.monotonic() - self._begun, 3),
            "events": self.delivery.delivered,
            "frames": dialogue.received,
            "resumed": dialogue.opening is not None and dialogue.opening.resume.resumed,
        }
        self._tell("connection_closed", fields)

    def _tell(self, event: str, fields: Fields) -> None:
        """Tell of this connection in the log; who it is may turn out at ``hello`` only."""
        actor = self._dialogue.actor or self._handshake.actor
        named = {} if actor is None else name_actor(actor)
        always = {"session_id": self._dialogue.id, "address": self._handshake.peer}
        self._parts.write_event(event, {**always, **named, **fields})
