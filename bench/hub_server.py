"""The hub alone in the service's own server, on a log in memory; its argument is the port.

A ``send`` appends as many messages as its body says, in commits as the writer makes them of sends that wait, and all at
once: nothing is stored and nothing is answered in between, so that what a burst costs is what the hub makes of it.
Everybody is in one room, but for the user ``LONE``, who has a room of his own.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import uvloop

from bench.loads import BODY
from sanctum_messaging.app import GC_THRESHOLDS, SWITCH_INTERVAL_SECONDS
from sanctum_messaging.domain.errors import ForbiddenError, UnauthenticatedError
from sanctum_messaging.domain.events import Committed, Event, EventKind, Interval, Memberships, MessageChange
from sanctum_messaging.domain.model import (
    DEFAULT_TENANT,
    ORIGIN,
    Actor,
    ConversationId,
    DeviceId,
    Message,
    MessageId,
    Millis,
    Position,
    Seq,
    SessionId,
    TenantId,
    UserId,
)
from sanctum_messaging.hub.endpoints.asgi import WebSocketEndpoint
from sanctum_messaging.hub.hub import WebSocketHub
from sanctum_messaging.listening import BACKLOG, UNSENT_BYTES
from sanctum_messaging.protocol.frames import Read, Send, Typing
from sanctum_messaging.protocol.results import FrameResult
from sanctum_messaging.server.intake import Intake
from sanctum_messaging.server.limits import limits_of_process, raise_descriptor_limit
from sanctum_messaging.server.server import create_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.hub.callables import Credentials
    from sanctum_messaging.ports.resume_store import ResumeState

ROOM = ConversationId("01900000-0000-7000-8000-000000000000")
LONE, LONE_ROOM = "lone", ConversationId("01900000-0000-7000-8000-000000000001")
COMMIT = 50
"""Messages of one commit; the writer takes up to five times as many."""
_DEVICE = DeviceId("bench")
_WEEK_MS = 604_800_000


class MemoryLog:
    """Nobody ever reads: all that is needed is in the ring."""

    def __init__(self) -> None:
        self.head = ORIGIN
        self._numbers = itertools.count(1)

    def append(self, room: ConversationId, sender: UserId, count: int) -> Committed:
        """Append messages in one commit."""
        before = self.head
        events = tuple(self._create(room, sender) for _ in range(count))
        self.head = events[-1].cursor
        return Committed(before, events)

    async def read_head(self) -> Any:  # noqa: ANN401 - a cursor
        return self.head

    async def read_memberships(self, users: Sequence[tuple[TenantId, UserId]]) -> Sequence[Memberships]:
        rooms = [LONE_ROOM if name == LONE else ROOM for _, name in users]
        return [Memberships(self.head, {room: (Interval(Seq(1)),)}, ORIGIN.position) for room in rooms]

    async def read_newest(self, _limit: int) -> Sequence[Event]:
        return ()

    def _create(self, room: ConversationId, sender: UserId) -> Event:
        number, now = next(self._numbers), Millis(time.time_ns() // 1_000_000)
        name, seq = MessageId(f"01900000-0000-7000-8000-{number:012x}"), Seq(number)
        message = Message(name, room, seq, sender, _DEVICE, f"m{number}", "text", BODY, "{}", None, now)
        kind, body = EventKind.MESSAGE_CREATED, MessageChange(message)
        return Event(Position(number), "0123abcd", DEFAULT_TENANT, room, seq, kind, sender, now, body)


async def authenticate(credentials: Credentials, origin: str | None, peer: str | None) -> Actor:
    """Believe everybody his name."""
    del origin, peer
    if not credentials.token:
        raise UnauthenticatedError
    expires_at = Millis(time.time_ns() // 1_000_000 + _WEEK_MS)
    return Actor(DEFAULT_TENANT, UserId(credentials.token), _DEVICE, SessionId("-"), expires_at)


async def load_state(_token: str, _actor: Actor, /) -> None:
    """Nobody resumes."""


async def persist_state(_token: str, _state: ResumeState, _ttl_seconds: int, /) -> bool:
    return True


async def drop_state(_token: str, _reason: object, /) -> None:
    """There is none."""


def create_hub() -> WebSocketHub:
    log: Any = MemoryLog()

    async def on_frame(actor: Actor, frame: Send | Read | Typing, /) -> FrameResult:
        if not isinstance(frame, Send):
            raise ForbiddenError("Messages only.")
        count = int(frame.body)
        for begun in range(0, count, COMMIT):
            hub.apply(log.append(frame.conversation_id, actor.user, min(COMMIT, count - begun)))
        return FrameResult()

    hub = WebSocketHub(
        authenticate=authenticate,
        load_resume_state=load_state,
        persist_resume_state=persist_state,
        drop_resume_state=drop_state,
        log=log,
        on_frame=on_frame,
    )
    return hub


async def serve(port: int) -> None:
    hub = create_hub()
    endpoint = WebSocketEndpoint(hub)

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        if scope["type"] == "websocket":
            await endpoint(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    server = create_server(app, Intake(limits_of_process()), backlog=BACKLOG)
    with socket.create_server(("127.0.0.1", port), backlog=BACKLOG) as listener:
        # As in the service (``listening``).
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        async with hub:
            gc.freeze()
            await server.serve(sockets=[listener])


def main() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.set_threshold(*GC_THRESHOLDS)
    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
