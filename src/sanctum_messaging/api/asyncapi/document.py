"""The document as a whole."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from sanctum_messaging import __version__
from sanctum_messaging.api.asyncapi.frames import UNREADABLE, Frame, client_frames, server_frames
from sanctum_messaging.api.asyncapi.handshake import HANDSHAKE_HEADERS, REFUSALS, SECURITY_SCHEMES
from sanctum_messaging.api.openapi.schemas import Json, plain, reference, schemas_of
from sanctum_messaging.api.routing import WS_PATH
from sanctum_messaging.protocol.codes import CLOSE_REASONS, PROBLEMS, client_reconnects
from sanctum_messaging.protocol.frames import SUBPROTOCOL
from sanctum_messaging.protocol.resources import (
    ConversationData,
    MessageData,
    MessageResult,
    ParticipantData,
    ReadResult,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_ABOUT = """\
Live delivery: the stream of everything that a user may see, resumed from any cursor without loss or repeat, and sends,
read markers and typing over the same socket. `/openapi.json` describes the HTTP API.

Messages are text, each one JSON object of at most 64 KiB with its name in `op`. Clients ignore ops, event types and
fields that they do not know; the service refuses what it does not know. A faulty frame is answered by an `error` and
the connection lives on; what is no frame at all closes it. The close codes stand at the channel in `x-close-codes`:
after one with `reconnects` a client waits and comes back, after another it does not by itself."""

_CHANNEL = {"$ref": "#/channels/stream"}
_REPLIES = {
    "hello": ("welcome", "ok", "error"),
    "ping": ("pong", "ok", "error"),
    "pong": ("error",),
}
"""What may follow a frame, where it is more or less than ``ok`` with an ``id``, or ``error``."""
_ANSWERS = ("welcome", "ok", "error", "pong")


def create_document() -> Json:
    """Make the AsyncAPI 3.0 document of the socket."""
    client, server = client_frames(), server_frames()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Sanctum Messaging: the socket",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"own": _server()},
        "channels": {"stream": _channel(client, server)},
        "operations": {**{f"receive.{each.op}": _received(each) for each in client}, "send.pushed": _pushed(server)},
        "components": {
            "messages": {
                **{f"client.{each.op}": _message(each) for each in client},
                **{f"server.{each.op}": _message(each) for each in server},
            },
            "schemas": _schemas(chain(client, server)),
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _server() -> Json:
    return {
        "host": "{host}",
        "protocol": "wss",
        "description": "Wherever the service runs; `ws` without TLS.",
        "variables": {"host": {"default": "localhost:8080", "description": "Name and port of the service."}},
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in SECURITY_SCHEMES],
    }


def _channel(client: Iterable[Frame], server: Iterable[Frame]) -> Json:
    names = [*(f"client.{each.op}" for each in client), *(f"server.{each.op}" for each in server)]
    return {
        "address": WS_PATH,
        "title": f"The stream, subprotocol {SUBPROTOCOL}",
        "description": (
            "The token comes with the handshake, in `Authorization` or as a subprotocol, or as `token` in `hello` "
            "within 10 seconds; never in the address. `hello` is the first frame, and `welcome` the answer to it."
        ),
        "servers": [{"$ref": "#/servers/own"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"ws": {"method": "GET", "headers": HANDSHAKE_HEADERS, "bindingVersion": "0.1.0"}},
        "x-handshake-refusals": [{"code": code, "status": PROBLEMS[code].status} for code in REFUSALS],
        "x-close-codes": [
            {"code": int(code), "reason": reason, "reconnects": client_reconnects(code)}
            for code, reason in CLOSE_REASONS.items()
        ],
    }


def _received(frame: Frame) -> Json:
    replies = _REPLIES.get(frame.op, ("ok", "error"))
    return {
        "action": "receive",
        "channel": _CHANNEL,
        "summary": plain(frame.kind.__doc__ or ""),
        "messages": [_in_channel(f"client.{frame.op}")],
        "reply": {"channel": _CHANNEL, "messages": [_in_channel(f"server.{op}") for op in replies]},
        "x-problem-codes": list(frame.problems),
    }


def _pushed(server: Iterable[Frame]) -> Json:
    return {
        "action": "send",
        "channel": _CHANNEL,
        "summary": "What comes by itself, and the `error` of a frame that had no `id`.",
        "messages": [
            _in_channel(f"server.{each.op}") for each in server if each.op not in _ANSWERS or each.op == "error"
        ],
    }


def _in_channel(name: str) -> Json:
    return {"$ref": f"#/channels/stream/messages/{name}"}


def _message(frame: Frame) -> Json:
    return {
        "name": frame.op,
        "title": frame.op,
        "summary": plain(frame.described.__doc__ or ""),
        "payload": reference(frame.described),
        "examples": [{"name": frame.op, "payload": frame.example}],
    }


def _schemas(frames: Iterable[Frame]) -> Json:
    listed = list(frames)
    carried = (ConversationData, MessageData, ParticipantData, MessageResult, ReadResult)
    schemas = schemas_of((*(each.described for each in listed), *carried))
    codes = {code for each in listed for code in each.problems} | set(UNREADABLE)
    told = [code for code in PROBLEMS if code in codes]
    schemas["Problem"]["properties"]["code"]["enum"] = told
    return schemas
