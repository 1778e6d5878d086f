"""The frames of both directions, each with an example, and what a client's may be refused with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from sanctum_messaging.api.openapi import story
from sanctum_messaging.api.openapi.refusals import example
from sanctum_messaging.protocol.answers import EventResource
from sanctum_messaging.protocol.frames import (
    Ack,
    AnyClientFrame,
    AnyServerFrame,
    Auth,
    EventFrame,
    FrameId,
    Hello,
    Ok,
    Read,
    Send,
    ServerFrame,
    Typing,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class OkFrame(ServerFrame, frozen=True, tag="ok"):
    """A frame with an ``id`` was done; ``result`` is the HTTP body of the same call, and empty where there is none."""

    id: FrameId
    result: Annotated[
        Raw,
        Meta(
            extra_json_schema={
                "anyOf": [
                    {"$ref": "#/components/schemas/MessageResult"},
                    {"$ref": "#/components/schemas/ReadResult"},
                    {"type": "object", "maxProperties": 0},
                ]
            }
        ),
    ]
    replayed: Literal[True] | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Frame:
    """One kind of frame; ``described`` is the type that its schema is made of."""

    op: str
    kind: type[Struct]
    described: type[Struct]
    example: dict[str, Any]
    problems: tuple[str, ...] = ()


# msgspec can't tell apart what these two may hold, so the document has them written down for readers.
_DESCRIBED: Mapping[type[Struct], type[Struct]] = {EventFrame: EventResource, Ok: OkFrame}

_ANY_FRAME = ("invalid", "unexpected_frame", "rate_limited")
_TRY_LATER = ("overloaded", "unavailable", "stopping")
_PROBLEMS: Mapping[type[Struct], tuple[str, ...]] = {
    Hello: ("invalid_cursor", "act_as_not_allowed", "origin_not_allowed", *_TRY_LATER),
    Send: ("forbidden", "not_found", "client_message_id_reused", "outcome_unknown", *_TRY_LATER),
    Read: ("not_found", "seq_out_of_range", "outcome_unknown", *_TRY_LATER),
    Typing: ("forbidden", "not_found", *_TRY_LATER),
    Ack: ("invalid_cursor", "ack_ahead"),
    Auth: ("unauthenticated", "act_as_not_allowed", "origin_not_allowed", *_TRY_LATER),
}
UNREADABLE = ("unknown_op",)
"""How a frame is refused that is none of these."""

_CLIENT: Mapping[str, dict[str, Any]] = {
    "hello": {
        "cursor": story.CREATED,
        "resumeToken": "0c15483d0c5ce1d228b82ed9e7442ad1.1.Cbnnc_jL8ntQ2f1g4kzE9w",
        "client": {"name": "lunch-web", "version": "1.4.0"},
    },
    "send": {"id": "f1", **story.NEW_MESSAGE},
    "read": {"id": "f2", "conversationId": story.CONVERSATION_ID, "seq": 2},
    "typing": {"conversationId": story.CONVERSATION_ID, "on": True},
    "ack": {"cursor": story.SENT},
    "auth": {"id": "f3", "token": "eyJhbGciOiJFZDI1NTE5IiwidHlwIjoiSldUIn0.e30.c2lnbmF0dXJl"},
    "ping": {"id": "f4"},
    "pong": {},
    "bye": {"id": "f5"},
}
_SERVER: Mapping[str, dict[str, Any]] = {
    "welcome": {
        "sessionId": "5e3f13b84d402c3bf73d8c06b43d04bb",
        "resumeToken": "0c15483d0c5ce1d228b82ed9e7442ad1.2.YmSyRIxoD-4kPgjikj0LUd",
        "resumed": True,
        "cursor": story.CREATED,
        "user": "bob",
        "heartbeatMs": 20_000,
        "limits": {"frameBytes": 65_536, "bodyCharacters": 8_000, "sendsInFlight": 32},
        "serverTime": "2026-11-22T09:31:00.000Z",
    },
    "event": story.EVENT,
    "live": {"cursor": story.EDITED},
    "ok": {"id": "f1", "result": {"message": story.MESSAGE}},
    "error": {"id": "f2", "problem": example("seq_out_of_range")},
    "signal": {"type": "typing", "conversationId": story.CONVERSATION_ID, "userId": "alice", "on": True},
    "resync": {"reason": "diverged", "cursor": story.EDITED},
    "ping": {"cursor": story.EDITED},
    "pong": {"cursor": story.EDITED},
    "authRequired": {"expiresAt": "2026-11-22T10:30:00.000Z"},
    "drain": {"reconnectInMs": 1_200},
}


def client_frames() -> tuple[Frame, ...]:
    """List what a client may say."""
    return tuple(_frame(kind, _CLIENT, (*_ANY_FRAME, *_PROBLEMS.get(kind, ()))) for kind in get_args(AnyClientFrame))


def server_frames() -> tuple[Frame, ...]:
    """List what the server may say."""
    return tuple(_frame(kind, _SERVER) for kind in get_args(AnyServerFrame))


def _frame(kind: type[Struct], examples: Mapping[str, dict[str, Any]], problems: tuple[str, ...] = ()) -> Frame:
    op = str(kind.__struct_config__.tag)
    return Frame(op, kind, _DESCRIBED.get(kind, kind), {"op": op, **examples[op]}, problems)
