"""The hub without the rest of the service: a log in a list, one room for everybody, and names instead of tokens.

Run ``.venv/bin/python examples/hub_alone.py``, connect WebSocket clients to ``ws://127.0.0.1:8765`` and say, for
instance, ``{"op": "hello", "token": "ann", "cursor": "0-00000000"}`` and
``{"op": "send", "id": "1", "conversationId": "room", "clientMessageId": "m1", "body": "Hello"}``.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

import uvicorn

from sanctum_messaging.domain.errors import ForbiddenError, UnauthenticatedError
from sanctum_messaging.domain.events import Committed, Event, EventKind, Interval, Memberships, MessageChange
from sanctum_messaging.domain.model import (
    DEFAULT_TENANT,
    ORIGIN,
    Actor,
    ConversationId,
    Cursor,
    DeviceId,
    Message,
    MessageId,
    Millis,
    Position,
    Seq,
    SessionId,
    UserId,
)
from sanctum_messaging.hub.endpoints.asgi import WebSocketEndpoint
from sanctum_messaging.hub.hub import WebSocketHub
from sanctum_messaging.ports.log import StreamPage
from sanctum_messaging.presenters import present_message
from sanctum_messaging.protocol.frames import Read, Send, Typing
from sanctum_messaging.protocol.resources import MessageResult
from sanctum_messaging.protocol.results import FrameResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanctum_messaging.hub.callables import Credentials
    from sanctum_messaging.ports.resume_store import ResumeState

ROOM, DEVICE = ConversationId("room"), DeviceId("-")


class ListLog:
    """``ports.log.EventLog`` on a list; everybody has always been in the room."""

    def __init__(self) -> None:
        """Begin with an empty log."""
        self.events: list[Event] = []

    def append(self, actor: Actor, frame: Send) -> Committed:
        """Append a message."""
        before, seq, at = self.head, Seq(len(self.events) + 1), Millis(time.time_ns() // 1_000_000)
        names = (actor.user, DEVICE, frame.client_message_id, frame.type, frame.body, "{}", None, at)
        body = MessageChange(Message(MessageId(f"message-{seq}"), ROOM, seq, *names))
        kind, tag = EventKind.MESSAGE_CREATED, secrets.token_hex(4)
        self.events.append(Event(Position(seq), tag, DEFAULT_TENANT, ROOM, seq, kind, actor.user, at, body))
        return Committed(before, (self.events[-1],))

    @property
    def head(self) -> Cursor:
        """The newest event's cursor."""
        return self.events[-1].cursor if self.events else ORIGIN

    async def read_head(self) -> Cursor:
        """Return the newest event's cursor."""
        return self.head

    async def check_cursor(self, cursor: Cursor) -> Any:  # noqa: ANN401 - one of three words
        """Tell whether a cursor is of this log."""
        return "ok" if cursor in {ORIGIN, *(event.cursor for event in self.events)} else "diverged"

    async def read_memberships(self, users: Sequence[object]) -> Sequence[Memberships]:
        """Everybody is in the room, and was from the beginning."""
        return [Memberships(self.head, {ROOM: (Interval(Seq(1)),)}, ORIGIN.position)] * len(users)

    async def follow(self, after: Cursor, *, limit: int) -> Sequence[Event]:
        """Read on from a cursor; nothing else takes this log's place."""
        return self.events[after.position : after.position + limit]

    async def read_newest(self, limit: int) -> Sequence[Event]:
        """Read the newest events."""
        return self.events[-limit:]

    async def read_stream(self, *_whose: str, after: Position, upto: Position, limit: int) -> StreamPage:
        """Read a window of what everybody sees."""
        events = tuple(self.events[after : min(upto, after + limit)])
        return StreamPage(events, events[-1].cursor if events else self.head, complete=after + limit >= upto)

    read_tenant_stream = read_stream


class ListStates(dict[str, "ResumeState"]):
    """Resume states in a dictionary: they are lost with the process, and clients then go on from their cursors."""

    async def load(self, _token: str, _actor: Actor, /) -> None:
        """Nobody resumes here; clients say their cursor."""

    async def persist(self, token: str, state: ResumeState, _ttl_seconds: int, /) -> bool:
        """Keep a state."""
        self[token] = state
        return True

    async def drop(self, token: str, _reason: object, /) -> None:
        """Forget a state."""
        self.pop(token, None)


async def authenticate(credentials: Credentials, origin: str | None, peer: str | None) -> Actor:
    """Believe everybody his name, for an hour."""
    del origin, peer
    if not credentials.token:
        raise UnauthenticatedError
    expires_at = Millis(time.time_ns() // 1_000_000 + 3_600_000)
    return Actor(DEFAULT_TENANT, UserId(credentials.token), DEVICE, SessionId("-"), expires_at)


def create_app() -> Any:  # noqa: ANN401 - an ASGI application
    """Make an ASGI application that serves the hub on every path, while its lifespan lasts."""
    log, states = ListLog(), ListStates()

    async def on_frame(actor: Actor, frame: Send | Read | Typing, /) -> FrameResult:
        if not isinstance(frame, Send):
            raise ForbiddenError("This room takes messages only.")
        committed = log.append(actor, frame)
        hub.apply(committed)
        body = committed.events[0].body
        return FrameResult(MessageResult(present_message(body.message)) if isinstance(body, MessageChange) else None)

    hub = WebSocketHub(
        authenticate=authenticate,
        load_resume_state=states.load,
        persist_resume_state=states.persist,
        drop_resume_state=states.drop,
        log=log,
        on_frame=on_frame,
    )
    endpoint = WebSocketEndpoint(hub)

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        if scope["type"] == "websocket":
            await endpoint(scope, receive, send)
        elif scope["type"] == "lifespan":
            await receive()
            async with hub:
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(), port=8765, ws="websockets-sansio")
