"""What one client says: its frames are taken in the order in which they arrive, and answered.

A send is given to the log in the very turn in which it arrives, and answered after its commit: most need no task.
"""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

import msgspec
from msgspec import UNSET, Raw

from sanctum_messaging.domain.errors import (
    FieldFault,
    ForbiddenError,
    InvalidError,
    RateLimitedError,
    RevokedError,
    SanctumError,
    UnauthenticatedError,
)
from sanctum_messaging.domain.model import Cursor
from sanctum_messaging.hub.callables import Credentials, Stage
from sanctum_messaging.hub.frame_rate import FloodGate
from sanctum_messaging.hub.opening import ANOTHER_CALLER, open_stream
from sanctum_messaging.ports.underway import Underway
from sanctum_messaging.presenters import present_problem
from sanctum_messaging.protocol.codec import BadFrameError, RefusedFrameError, decode_frame, find_frame_id
from sanctum_messaging.protocol.codes import PROBLEMS, CloseCode
from sanctum_messaging.protocol.frames import (
    Ack,
    AnyClientFrame,
    Auth,
    Bye,
    Error,
    Hello,
    Ok,
    Ping,
    Pong,
    Read,
    Send,
    Typing,
)
from sanctum_messaging.protocol.results import FrameResult
from sanctum_messaging.protocol.session import Phase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from sanctum_messaging.domain.model import Actor
    from sanctum_messaging.hub.delivery import Delivery
    from sanctum_messaging.hub.opening import Handshake, Opening
    from sanctum_messaging.hub.owner import Owner
    from sanctum_messaging.hub.registry import Parts
    from sanctum_messaging.ports.transport import Transport
    from sanctum_messaging.protocol.session import ServerSession

_CLOSING = Phase.CLOSING
"""Asked for several times a frame; an enum's member is looked up at ten times the price of a module's name."""


class Dialogue:
    """The incoming side of a connection: most frames are answered at once, and the others by a task each."""

    def __init__(
        self,
        parts: Parts,
        owner: Owner,
        transport: Transport,
        *,
        session: ServerSession,
        delivery: Delivery,
        handshake: Handshake,
    ) -> None:
        self._parts = parts
        self._owner = owner
        self._transport = transport
        self._session = session
        self._delivery = delivery
        self._handshake = handshake
        self._gate = FloodGate(parts.source.settings, parts.source.counters)
        self._inbox: list[str | bytes] = []
        """Messages that wait for an earlier one, or for room for their replies."""
        self._held: AnyClientFrame | None = None
        """The frame that has to get somewhere before the next one is taken."""
        self._in_flight = 0
        self.id = secrets.token_hex(16)
        self.actor: Actor | None = None
        self.opening: Opening | None = None
        self.received = 0
        """Frames that came, well-formed or not."""
        self.limited = 0
        """Those of them that a limit refused."""
        self.proven: Actor | None = None
        """Whose the token of a ``hello`` was, though it may have been refused."""
        self.refused: str | None = None
        """Why a token was refused, the last time that one was."""
        self.listening = True
        """Whether the next frame is waited for; false while earlier ones have to be finished first."""

    def part(self) -> None:
        """Let go of the connection, once it is over: two that hold each other outlive their use."""
        del self._owner, self._delivery, self._transport

    def take(self, message: str | bytes) -> None:
        """Take the next message, or keep it until those before it allow."""
        self._inbox.append(message)
        self.go_on()

    def go_on(self) -> None:
        """Take what has come, as long as nothing has to be waited for; if something has, have no more read."""
        while self._inbox and self._may_take():
            self._take(self._inbox.pop(0))
        if self._session.phase is _CLOSING:
            self._inbox.clear()
            return
        listening = not self._inbox and self._may_take()
        if listening is not self.listening:
            self.listening = listening
            (self._transport.resume_reading if listening else self._transport.pause_reading)()

    def _may_take(self) -> bool:
        return (
            self._session.phase is not _CLOSING
            and self._held is None
            and self._in_flight < self._parts.source.settings.frames_in_flight
            and self._delivery.has_room
        )

    def _take(self, message: str | bytes) -> None:
        self.received += 1
        now = self._parts.source.settings.monotonic()
        self._session.heard(now)
        frame_id = None
        try:
            if not self._gate.admits(now):
                frame_id = find_frame_id(message)
                raise self._gate.refusal()
            frame = decode_frame(message)
            frame_id = frame.id
            self._session.check_expected(frame)
            self._answer(frame)
        except BadFrameError as error:
            self._owner.close(error.code)
        except (RefusedFrameError, SanctumError) as error:
            self._refuse(error, frame_id)
        except Exception as error:  # noqa: BLE001 - it ends this connection, and the server goes on
            self._owner.fail(error)

    def _answer(self, frame: AnyClientFrame) -> None:
        match frame:
            case Ack():
                self._acknowledge(frame)
            case Ping():
                self._delivery.pong()
                self._confirm(frame.id, _NOTHING)
            case Pong():
                pass
            case Send() | Read() | Typing():
                self._perform(frame)
            case Hello():
                self._begin_work(frame, self._open(frame))
            case Auth():
                self._begin_work(frame, self._refresh(frame))
            case Bye():
                self._begin_work(frame, self._leave(frame))
            case _:
                assert_never(frame)

    def _begin_work(self, frame: AnyClientFrame, work: Coroutine[None, None, None]) -> None:
        """Have a task do what has to be waited for; the next frame is held until ``_release``."""
        self._held = frame
        self._in_flight += 1
        self._owner.spawn(partial(self._work, frame, work))

    async def _work(self, frame: AnyClientFrame, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except (RefusedFrameError, SanctumError) as error:
            self._refuse(error, frame.id)
        finally:
            self._in_flight -= 1
            self._release(frame)

    def _release(self, frame: AnyClientFrame) -> None:
        if self._held is frame:
            self._held = None
        self.go_on()

    def _perform(self, frame: Send | Read | Typing) -> None:
        if self.actor is None:
            return
        admission = self._parts.callables.admit_frame(self.actor, frame)
        if admission is not None:
            self._begin_work(frame, self._perform_admitted(self.actor, frame, admission))
            return
        performing = self._parts.callables.on_frame(self.actor, frame)
        if isinstance(performing, Underway):
            self._in_flight += 1
            performing.outcome.add_done_callback(partial(self._conclude, frame, performing.present))
        else:
            self._begin_work(frame, self._wait_for(frame, performing))

    def _conclude(
        self, frame: AnyClientFrame, present: Callable[[Any], FrameResult], outcome: asyncio.Future[Any]
    ) -> None:
        """Answer a frame that was under way; if the connection is over meanwhile, what was done is done."""
        self._in_flight -= 1
        error = outcome.exception()
        if self._session.phase is _CLOSING:
            return
        try:
            if error is not None:
                raise error
            self._confirm(frame.id, present(outcome.result()))
        except SanctumError as refusal:
            self._refuse(refusal, frame.id)
        except Exception as fault:  # noqa: BLE001 - it ends this connection, and the server goes on
            self._owner.fail(fault)
        self.go_on()

    async def _perform_admitted(self, actor: Actor, frame: Send | Read | Typing, admission: Awaitable[None]) -> None:
        await admission
        await self._wait_for(frame, self._parts.callables.on_frame(actor, frame))

    async def _wait_for(self, frame: Send | Read | Typing, performing: Awaitable[FrameResult]) -> None:
        # The next frame is taken after the first step of this one, so that both enter the log in this order.
        asyncio.get_running_loop().call_soon(self._release, frame)
        self._confirm(frame.id, await performing)

    def _acknowledge(self, frame: Ack) -> None:
        cursor = Cursor.parse(frame.cursor)
        if self._session.acknowledge(cursor.position, sent=self._delivery.position.position) and self.opening:
            self.opening.resume.cursor = cursor
        self._confirm(frame.id, _NOTHING)

    async def _open(self, hello: Hello) -> None:
        try:
            parts = self._parts
            opening = await open_stream(parts.callables, parts.source, self._handshake, hello, tell=self._prove)
        except (ForbiddenError, RevokedError) as error:
            self.refused = error.refused
            self._owner.close(CloseCode.FORBIDDEN)
        except UnauthenticatedError as error:
            self.refused = error.refused
            self._owner.close(CloseCode.UNAUTHENTICATED)
        else:
            self._begin(opening)
            self._confirm(hello.id, _NOTHING)

    def _prove(self, actor: Actor) -> None:
        self.proven = actor

    def _begin(self, opening: Opening) -> None:
        """Start the stream; nothing is awaited since the log was looked at."""
        self.actor, self.opening = opening.actor, opening
        if self._parts.callables.is_revoked(opening.actor):
            self.refused = RevokedError.refused
            self._owner.close(CloseCode.FORBIDDEN)
            return
        if not opening.holds or not self._parts.registry.claim(opening.resume, self._owner):
            self._owner.close(CloseCode.REPLACED)
            return
        settings = self._parts.source.settings
        now = settings.monotonic()
        if not self._parts.registry.seat(opening.user, self._owner, most=settings.connections_per_user, now=now):
            self._owner.close(CloseCode.TOO_MANY_CONNECTIONS)
            return
        self._session.welcome(now, opening.start.position)
        self._delivery.reply(opening.welcome(self.id, settings))
        self._delivery.start(opening.user, opening.start)
        if opening.lost is not None:
            self._delivery.start_over(opening.lost, opening.start)

    async def _refresh(self, frame: Auth) -> None:
        """Take a fresh token of the same caller; any other is refused and the old expiry stands."""
        credentials = Credentials(frame.token, self._handshake.act_as, Stage.RENEWAL)
        actor = await self._parts.callables.authenticate(credentials, self._handshake.origin, self._handshake.peer)
        known = self.actor
        if known is None or (known.tenant, known.user, known.device) != (actor.tenant, actor.user, actor.device):
            raise UnauthenticatedError(refused=ANOTHER_CALLER)
        if self._parts.callables.is_revoked(actor):
            raise RevokedError
        self.actor = actor
        self._confirm(frame.id, _NOTHING)

    async def _leave(self, frame: Bye) -> None:
        if self.opening is not None:
            await self.opening.resume.drop("bye")
        self._confirm(frame.id, _NOTHING)
        self._owner.close(CloseCode.NORMAL)

    def _confirm(self, frame_id: str | None, outcome: FrameResult) -> None:
        if frame_id is not None:
            result = Raw(b"{}" if outcome.result is None else msgspec.json.encode(outcome.result))
            self._delivery.reply(Ok(id=frame_id, result=result, replayed=True if outcome.replayed else UNSET))

    def _refuse(self, error: RefusedFrameError | SanctumError, frame_id: str | None) -> None:
        if isinstance(error, RefusedFrameError):
            frame_id = error.frame_id or frame_id
            error = _present_refusal(error)
        self.limited += isinstance(error, RateLimitedError)
        self.refused = error.refused or self.refused
        problem = present_problem(error, self.id)
        self._delivery.reply(Error(problem=problem, id=UNSET if frame_id is None else frame_id))


_NOTHING = FrameResult()


def _present_refusal(refused: RefusedFrameError) -> InvalidError:
    faults = tuple(FieldFault(fault.field, fault.code) for fault in refused.faults)
    return InvalidError(PROBLEMS[refused.code].title, code=refused.code, faults=faults)
