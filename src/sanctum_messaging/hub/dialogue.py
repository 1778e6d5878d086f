"""What one client says: its frames are taken in the order in which they arrive, and answered.

A send is given to the log in the very turn in which it arrives, and answered after its commit: most need no task.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

import msgspec
from msgspec import UNSET, Raw

from sanctum_messaging.domain.errors import (
    FieldFault,
    InvalidError,
    RateLimitedError,
    SanctumError,
)
from sanctum_messaging.domain.model import Cursor
from sanctum_messaging.hub.frame_rate import FloodGate
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
    from sanctum_messaging.hub.caller import Caller
    from sanctum_messaging.hub.delivery import Delivery
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
        caller: Caller,
    ) -> None:
        self._parts = parts
        self._owner = owner
        self._transport = transport
        self._session = session
        self._delivery = delivery
        self._caller = caller
        self._gate = FloodGate(parts.source.settings, parts.source.counters)
        self._inbox: list[str | bytes] = []
        """Messages that wait for an earlier one, or for room for their replies."""
        self._held: AnyClientFrame | None = None
        """The frame that has to get somewhere before the next one is taken."""
        self._in_flight = 0
        self.received = 0
        """Frames that came, well-formed or not."""
        self.limited = 0
        """Those of them that a limit refused."""
        self._told: tuple[str, ...] = ()
        """The codes of the problems that the log was told of."""
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
        actor = self._caller.actor
        if actor is None:
            return
        admission = self._parts.callables.admit_frame(actor, frame)
        if admission is not None:
            self._begin_work(frame, self._perform_admitted(actor, frame, admission))
            return
        performing = self._parts.callables.on_frame(actor, frame)
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
        opening = self._caller.opening
        if self._session.acknowledge(cursor.position, sent=self._delivery.position.position) and opening:
            opening.resume.cursor = cursor
        self._confirm(frame.id, _NOTHING)

    async def _open(self, hello: Hello) -> None:
        if await self._caller.open(hello):
            self._confirm(hello.id, _NOTHING)

    async def _refresh(self, frame: Auth) -> None:
        if await self._caller.refresh(frame):
            self._confirm(frame.id, _NOTHING)

    async def _leave(self, frame: Bye) -> None:
        await self._caller.leave()
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
        self._note(error)
        problem = present_problem(error, self._caller.id)
        self._delivery.reply(Error(problem=problem, id=UNSET if frame_id is None else frame_id))

    def _note(self, error: SanctumError) -> None:
        """Count a refusal; the first with each code is told at once, since the socket may stay open for days."""
        self.limited += isinstance(error, RateLimitedError)
        self._caller.refused = error.refused or self._caller.refused
        self._parts.source.counters.refusals[error.code] += 1
        if error.code not in self._told:
            self._told = (*self._told, error.code)
            self._owner.tell_refusal(error)


_NOTHING = FrameResult()


def _present_refusal(refused: RefusedFrameError) -> InvalidError:
    faults = tuple(FieldFault(fault.field, fault.code) for fault in refused.faults)
    return InvalidError(PROBLEMS[refused.code].title, code=refused.code, faults=faults)
