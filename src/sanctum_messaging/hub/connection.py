"""One client's connection: its tasks, its timeouts and its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from sanctum_messaging.domain.errors import UnavailableError
from sanctum_messaging.hub.caller import Caller
from sanctum_messaging.hub.delivery import Delivery
from sanctum_messaging.hub.dialogue import Dialogue
from sanctum_messaging.presenters import name_actor, present_time
from sanctum_messaging.protocol.codes import CLOSE_REASONS, CloseCode
from sanctum_messaging.protocol.frames import AuthRequired, Drain
from sanctum_messaging.protocol.session import Due, Phase, ServerSession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sanctum_messaging.domain.errors import SanctumError
    from sanctum_messaging.domain.model import Actor, Millis
    from sanctum_messaging.hub.opening import Handshake
    from sanctum_messaging.hub.registry import Parts
    from sanctum_messaging.observability.hot_events import Fields
    from sanctum_messaging.ports.transport import Transport

KEY_SECONDS = 10.0
"""How often it is asked whether the key that proved the token was withdrawn: to learn that may take minutes anyway."""
_GONE = 1006
"""Stands for a client that went away by itself; never sent."""
_WITHOUT_STATE = frozenset((CloseCode.NORMAL, CloseCode.REPLACED))
"""After these there is nothing to come back to on this connection's token."""

_logger = structlog.get_logger(__name__)


class Connection:
    """Owns all tasks of one socket, and has none while nothing has to be waited for.

    It is the ``ports.transport.Listener`` of its socket. An unexpected error in any part closes this connection and
    touches no other.
    """

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
        self.delivery = Delivery(parts.source, transport, self._session, self)
        self._caller = Caller(parts, self, handshake, session=self._session, delivery=self.delivery)
        self._dialogue = Dialogue(
            parts, self, transport, session=self._session, delivery=self.delivery, caller=self._caller
        )
        self._closing: int | None = None
        """What it is closed with, once it is."""
        self._ending: asyncio.Task[None] | None = None
        self._running: tuple[asyncio.Task[None], ...] = ()
        self._persisting = False
        self._was_full = False
        """Whether the socket was full when it was last looked at: it may have moved since, or not."""
        self._asked_for: Millis | None = None
        """The expiry because of which the client was asked for a fresh token."""
        self._key_due = 0.0
        """When to ask for the token's key again."""

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return self._session.phase

    def is_doubtful(self, now: float) -> bool:
        """Tell whether the client may be gone without a word."""
        return self._session.is_doubtful(now)

    def begin(self) -> None:
        """Enter it; from then on it ends by itself."""
        self._parts.registry.enter(self)
        self._parts.source.counters.connections += 1
        self._tell("connection_opened", {})

    def message_received(self, message: str | bytes) -> None:
        self._dialogue.take(message)

    def writable(self) -> None:
        self.delivery.write()

    def disconnected(self, code: int | None = None) -> None:
        self.delivery.abandon()
        self._close(_GONE if code is None else code, is_gone=True)

    def spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run something as a task of this connection, which ends with it."""
        task = asyncio.get_running_loop().create_task(self._guard(work))
        self._running = (*self._running, task)
        task.add_done_callback(self._forget_task)

    def read_on(self) -> None:
        """Take the frames that wait for room, if any do."""
        if not self._dialogue.listening:
            self._dialogue.go_on()

    def fail(self, error: Exception) -> None:
        """Close for what went wrong; the client comes back to another connection."""
        if isinstance(error, UnavailableError):
            # Of an outage the database's own part tells in full; here it would be told once per connection.
            _logger.warning("stream_unreadable", code=error.code)
        else:
            _logger.error("connection_failed", session_id=self._caller.id, exc_info=error)
        self.close(CloseCode.INTERNAL)

    def tell_refusal(self, error: SanctumError) -> None:
        self._tell("frame_refused", {"code": error.code, "refused": error.refused})

    def close(self, code: CloseCode) -> None:
        """Close with a code; the first call counts."""
        self._close(code, is_gone=False)

    def end_if_revoked(self) -> None:
        """Close if the token that this connection rests on was withdrawn."""
        try:
            self._caller.end_if_revoked()
        except Exception as error:  # noqa: BLE001 - it ends this connection, and the others are looked at
            self.fail(error)

    def cut_off(self) -> None:
        """End without waiting for anything; the hub is over."""
        for task in (*self._running, self._ending):
            if task is not None:
                task.cancel()

    def drain(self, reconnect_in_ms: int) -> None:
        """Send the client to another instance."""
        self.delivery.reply(Drain(reconnect_in_ms=reconnect_in_ms))
        self.close(CloseCode.DRAIN)

    def tick(self, now: float, wall_ms: int) -> None:
        """Look at all that depends on time; ``wall_ms`` is what the other clock says.

        Nearly always nothing is due, and there are many connections: what each look costs is what an idle one costs.
        """
        if self._closing is not None:
            return
        try:
            self._look(now, wall_ms)
        except Exception as error:  # noqa: BLE001 - it ends this connection, and the others are looked at
            self.fail(error)

    def _look(self, now: float, wall_ms: int) -> None:
        due = self._session.find_due(now, listening=self._dialogue.listening)
        was_full, self._was_full = self._was_full, self._transport.is_full
        actor, opening = self._caller.actor, self._caller.opening
        if due is not None and due is not Due.PING:
            self.close(due)
        elif (was_full or self._was_full) and self.delivery.is_stalled(now):
            self.close(CloseCode.SLOW)
        elif actor is not None and not self._holds_token(actor, now, wall_ms):
            self.close(CloseCode.TOKEN_EXPIRED)
        else:
            if due is not None:
                self.delivery.ping()
            if opening is not None and not self._persisting and opening.resume.is_due(now):
                self._persisting = True
                self.spawn(self._persist)

    def _holds_token(self, actor: Actor, now: float, wall_ms: int) -> bool:
        """Ask for a fresh token once the present one ends soon; false when it has been over for too long.

        It is over, too, when its key is withdrawn: whoever has got hold of a key makes tokens that never expire.
        """
        if now >= self._key_due:
            self._key_due = now + KEY_SECONDS
            if not self._parts.callables.is_trusted(actor):
                return False
        left = actor.expires_at - wall_ms
        if left > self._settings.token_notice_ms:
            return True
        if self._asked_for != actor.expires_at:
            self._asked_for = actor.expires_at
            self.delivery.reply(AuthRequired(expires_at=present_time(actor.expires_at)))
        return left > -self._settings.token_grace_ms

    async def _persist(self) -> None:
        try:
            if self._caller.opening is not None and not await self._caller.opening.resume.persist():
                self.close(CloseCode.REPLACED)
        except UnavailableError:
            _logger.warning("resume_state_not_kept")
        finally:
            self._persisting = False

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """The exception barrier: whatever goes wrong ends this connection."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - told, and closed for
            self.fail(error)

    def _forget_task(self, task: asyncio.Task[None]) -> None:
        self._running = tuple(each for each in self._running if each is not task)

    def _close(self, code: int, *, is_gone: bool) -> None:
        if self._closing is None:
            self._closing = code
            self._session.close()
            self.delivery.stop()
            if not is_gone:
                # What follows is for nobody, and parsing it would hold others up until the close is sent.
                self._transport.pause_reading()
            self._parts.source.counters.closes[code] += 1
            self._ending = asyncio.get_running_loop().create_task(self._end(is_gone=is_gone))

    async def _end(self, *, is_gone: bool) -> None:
        """Close it, and whatever goes wrong, forget it."""
        try:
            await self._wind_up(self._closing, is_gone=is_gone)
        except Exception:
            _logger.exception("connection_not_ended_well", session_id=self._caller.id)
        finally:
            self._forget()

    async def _wind_up(self, code: int | None, *, is_gone: bool) -> None:
        """End the tasks; what was already answered still goes out, and then the close."""
        try:
            for task in self._running:
                task.cancel()
            if self._running:
                await asyncio.wait(self._running)
            if not is_gone and code != CloseCode.SLOW:
                self.delivery.end()
            await self._keep(code)
        finally:
            if not is_gone and code is not None:
                self._transport.close(code, CLOSE_REASONS[CloseCode(code)])

    async def _keep(self, code: int | None) -> None:
        """Persist the last acknowledgement, so that whoever resumes at once starts from it; the revoked may not."""
        if self._caller.opening is None or code in _WITHOUT_STATE:
            return
        resume = self._caller.opening.resume
        try:
            async with asyncio.timeout(self._settings.close_seconds):
                await (resume.drop("revoked") if code == CloseCode.FORBIDDEN else resume.persist())
        except (TimeoutError, UnavailableError):
            _logger.warning("resume_state_not_kept")

    def _forget(self) -> None:
        source, opening = self._parts.source, self._caller.opening
        source.counters.connections -= 1
        self._parts.registry.leave(self)
        self._handshake.leave()
        if opening is not None:
            self._parts.registry.give_up(opening.resume)
            self._parts.registry.let_go(opening.user, self)
            source.users.release(opening.user, self._settings.monotonic())
        self._tell_end(self._closing or _GONE)
        self._dialogue.part()
        self._caller.part()
        self.delivery.part()
        del self._transport

    def _tell_end(self, code: int) -> None:
        dialogue, opening = self._dialogue, self._caller.opening
        fields = {
            "code": int(code),
            "duration_s": round(self._settings.monotonic() - self._begun, 3),
            "events": self.delivery.delivered,
            "frames": dialogue.received,
            "limited": dialogue.limited,
            "refused": self._caller.refused,
            "resumed": opening is not None and opening.resume.resumed,
        }
        self._tell("connection_closed", fields)

    def _tell(self, event: str, fields: Fields) -> None:
        """Tell of this connection in the log; who it is may turn out at ``hello`` only."""
        actor = self._caller.known
        named = {} if actor is None else name_actor(actor)
        always = {"session_id": self._caller.id, "address": self._handshake.peer}
        self._parts.write_event(event, {**always, **named, **fields})
