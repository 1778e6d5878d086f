"""What a client reads from its socket: server frames, with room for what newer services say."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sanctum_messaging.protocol.frames import (
    AuthRequired,
    Drain,
    Live,
    Resync,
    ServerPing,
    ServerPong,
    SignalFrame,
    Welcome,
)
from sanctum_messaging.protocol.resources import Problem, Resource


class ReceivedEvent(Resource, frozen=True, tag_field="op", tag="event"):
    """An event, with its ``data`` as it came: what it holds depends on ``type``, and new types may appear."""

    cursor: str
    conversation_id: str
    seq: int
    type: str
    actor_id: str
    at: str
    data: Raw


class Reply(Resource, frozen=True):
    """What became of a frame; ``problem`` tells a refusal. Without an id it is the refusal of a frame that had none."""

    op: Literal["ok", "error"]
    id: str | UnsetType = UNSET
    result: Raw = Raw(b"{}")
    replayed: bool = False
    problem: Problem | UnsetType = UNSET


Received = (
    Welcome | ReceivedEvent | Live | Reply | SignalFrame | Resync | ServerPing | ServerPong | AuthRequired | Drain
)


_IGNORED_IF_NEWER = frozenset({"signal"})
"""What may be lost may also be of a form that this client does not know."""


class _Envelope(Struct):
    op: str


_envelope_decoder = msgspec.json.Decoder(_Envelope)
_decoders: dict[str, msgspec.json.Decoder[Received]] = {
    "event": msgspec.json.Decoder(ReceivedEvent),
    "ok": msgspec.json.Decoder(Reply),
    "error": msgspec.json.Decoder(Reply),
    "welcome": msgspec.json.Decoder(Welcome),
    "live": msgspec.json.Decoder(Live),
    "signal": msgspec.json.Decoder(SignalFrame),
    "resync": msgspec.json.Decoder(Resync),
    "ping": msgspec.json.Decoder(ServerPing),
    "pong": msgspec.json.Decoder(ServerPong),
    "authRequired": msgspec.json.Decoder(AuthRequired),
    "drain": msgspec.json.Decoder(Drain),
}


def decode_received(message: str | bytes) -> Received | None:
    """Decode a message of the service; none for what is newer than this client and may be ignored.

    Raises:
        msgspec.DecodeError: it is no frame.
    """
    op = _envelope_decoder.decode(message).op
    decoder = _decoders.get(op)
    if decoder is None:
        return None
    try:
        return decoder.decode(message)
    except msgspec.ValidationError:
        if op in _IGNORED_IF_NEWER:
            return None
        raise
