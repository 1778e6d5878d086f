"""What strangers' bytes are fed to: each target takes any bytes, and raises only where a promise is broken.

``python -m tests.fuzz`` feeds them what coverage finds to be new; ``test_targets`` feeds them a little in each run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from sanctum_messaging.adapters.jwt.keys import StaticKeys
from sanctum_messaging.adapters.redis.contents import decode_events, decode_signals, decode_takeovers
from sanctum_messaging.adapters.redis.envelope import Envelopes, Header, Kind, RejectedError
from sanctum_messaging.adapters.sql.resume_token import ResumeToken
from sanctum_messaging.api.reading import QueryReader
from sanctum_messaging.api.routing import PathTree
from sanctum_messaging.domain.errors import InvalidCursorError, NotFoundError, UnauthenticatedError
from sanctum_messaging.domain.model import Cursor
from sanctum_messaging.protocol.codec import MAX_FRAME_BYTES, BadFrameError, RefusedFrameError, decode_frame
from sanctum_messaging.protocol.codes import FIELD_CODES, PROBLEMS, CloseCode
from sanctum_messaging.protocol.decoding import FieldFaultsError, NotJSONError, StrictDecoder
from sanctum_messaging.protocol.metadata import read_metadata
from sanctum_messaging.protocol.requests import CreateConversation, MessagesQuery, SendMessage, SyncQuery
from tests import identity_provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sanctum_messaging.protocol.resources import FieldProblem

_CLOSING = {CloseCode.BINARY, CloseCode.TOO_LARGE, CloseCode.BAD_FRAME}


@dataclass(frozen=True)
class Target:
    """A check of any bytes, and some to begin with."""

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def promise(kept: bool) -> None:  # noqa: FBT001 - the one thing it is told
    """Say that this holds for any bytes."""
    if not kept:
        raise AssertionError("a promise was broken")


def check_frame(data: bytes) -> None:
    """A frame is taken, refused with named faults, or closes the socket with a code made for it."""
    text = data.decode("utf-8", "replace")
    try:
        frame = decode_frame(text)
    except BadFrameError as error:
        promise(error.code in _CLOSING)
    except RefusedFrameError as error:
        promise(error.code in PROBLEMS)
        _check_faults(error.faults)
        promise(error.frame_id is None or len(error.frame_id) <= 64)
    else:
        promise(len(text.encode()) <= MAX_FRAME_BYTES)
        _check_texts(frame)


def check_body(data: bytes) -> None:
    """A body is taken, or its faults are named."""
    for decoder in _BODIES:
        try:
            body = decoder.decode(data)
            promise(isinstance(json.loads(read_metadata(body.metadata)), dict))
        except NotJSONError:
            pass
        except FieldFaultsError as error:
            promise(bool(error.faults))
            _check_faults(error.faults)
        else:
            _check_texts(body)


def check_cursor(data: bytes) -> None:
    """A cursor that is taken is written as it was read, so that no two texts name one place."""
    text = data.decode("utf-8", "replace")
    try:
        cursor = Cursor.parse(text)
    except InvalidCursorError:
        return
    promise(str(cursor) == text)
    promise(0 <= cursor.position < 2**63)


def check_query(data: bytes) -> None:
    """A query is taken, or its faults are named."""
    for reader in _QUERIES:
        try:
            reader.read(data)
        except FieldFaultsError as error:
            promise(bool(error.faults))
            _check_faults(error.faults)


def check_path(data: bytes) -> None:
    """A path finds its endpoint or none; a parameter is text that every database takes."""
    try:
        found = _PATHS.find("GET", data.decode("latin-1"))
    except NotFoundError:
        return
    if found is not None:
        for parameter in found[1].values():
            promise(bool(parameter))
            promise("\0" not in parameter)
            parameter.encode()


def check_resume_token(data: bytes) -> None:
    """A resume token is none, or falls into its three parts."""
    text = data.decode("utf-8", "replace")
    token = ResumeToken.find(text)
    if token is not None:
        promise(0 <= token.generation < 10**18)
        promise(text.startswith(f"{token.id}."))
        promise(text.endswith(f".{token.secret}"))


def check_envelope(data: bytes) -> None:
    """What is not sealed with our key is never opened; what is inside is never trusted to be well-formed."""
    try:
        _ENVELOPES.read_header(data)
        content = _ENVELOPES.open(data)
    except RejectedError:
        content = data
    else:
        promise(data in _SEALED)
    for decode in (decode_events, decode_signals, decode_takeovers):
        try:
            decode(content)
        except RejectedError as error:
            promise(error.fault == "garbled")


def check_token(data: bytes) -> None:
    """A token proves something only if it says what was signed, whatever is made of a good one."""
    verifying = _VERIFIER.verify(data.decode("utf-8", "replace"))
    try:
        # With keys at hand nothing has to be waited for.
        verifying.send(None)
    except UnauthenticatedError:
        return
    except StopIteration as proven:
        promise(proven.value.subject == "alice")
        promise(data.rpartition(b".")[0] in _SIGNED)
    else:
        promise(kept=False)


def _check_faults(faults: Iterable[FieldProblem]) -> None:
    for fault in faults:
        promise(fault.code in FIELD_CODES)


def _check_texts(value: object) -> None:
    """No text that PostgreSQL refuses, or that is no Unicode, gets further in than here."""
    match value:
        case msgspec.Struct():
            _check_texts(msgspec.structs.asdict(value))
        case msgspec.Raw():
            _check_texts(json.loads(bytes(value)))
        case str():
            promise("\0" not in value)
            value.encode()
        case dict():
            for each in value.values():
                _check_texts(each)
        case list():
            for each in value:
                _check_texts(each)


_BODIES: tuple[StrictDecoder[SendMessage] | StrictDecoder[CreateConversation], ...] = (
    StrictDecoder(SendMessage),
    StrictDecoder(CreateConversation),
)
_QUERIES: tuple[QueryReader[MessagesQuery] | QueryReader[SyncQuery], ...] = (
    QueryReader(MessagesQuery),
    QueryReader(SyncQuery),
)
_PATHS: PathTree[str] = PathTree()
for _path in ("/v1/messages", "/v1/messages/{id}", "/v1/conversations/{id}/participants/{user}", "/healthz"):
    _PATHS.add("GET", _path, _path)
_ENVELOPES = Envelopes(log_id="log", key=b"k" * 32, instance="other")
_SEALED = tuple(
    _ENVELOPES.seal(Header(kind, last=7, first=5, tag="0badcafe"), content)
    for kind, content in ((Kind.HEARTBEAT, b""), (Kind.SIGNALS, b"\x00\x00"), (Kind.EVENTS, b"\x00\x01\x90"))
)
_VERIFIER = identity_provider.verifier_of(StaticKeys(identity_provider.KEYS), identity_provider.MovingClock())
_TOKENS = tuple(
    identity_provider.sign(identity_provider.claims(), key, algorithm=algorithm, kid=kid).encode()
    for kid, algorithm, key in (
        ("ed", "EdDSA", identity_provider.ED),
        ("rsa", "RS256", identity_provider.RSA),
        ("ec", "ES256", identity_provider.EC),
    )
)
_SIGNED = tuple(token.rpartition(b".")[0] for token in _TOKENS)
_SEND = (
    b'{"op":"send","id":"1","conversationId":"c","clientMessageId":"m-1","body":"Hello \\u00e9 \\ud83d\\ude00",'
    b'"type":"text","metadata":{"a":[1,2.5,null,{"b":true}]},"replyTo":null}'
)

TARGETS = {
    "frame": Target(
        check_frame,
        (
            _SEND,
            b'{"op":"hello","token":"a.b.c","cursor":"12-0badcafe","resumeToken":"x.1.y","client":{"name":"n","version":"1"}}',
            b'{"op":"ack","cursor":"12-0badcafe"}',
            b'{"op":"read","conversationId":"c","seq":9007199254740993}',
            b'{"op":"typing","conversationId":"c","on":true}',
            b'{"op":"ping","id":"\\u0000"}',
            b'{"op":"bye","op":"auth","token":"\\ud800"}',
            b'{"op":' + b"[" * 200,
        ),
    ),
    "body": Target(
        check_body,
        (
            _SEND.replace(b'"op":"send","id":"1",', b""),
            b'{"kind":"group","title":"T","participants":[{"userId":"bob","role":"admin"}],"metadata":{"x":1e400}}',
            b'{"kind":"direct","participants":[{"userId":"\\u0000"}],"historyVisibility":"joined"}',
        ),
    ),
    "cursor": Target(check_cursor, (b"0-00000000", b"12-0badcafe", b"9223372036854775807-ffffffff", b"01-0badcafe")),
    "query": Target(check_query, (b"limit=50&beforeSeq=7", b"cursor=12-0badcafe&waitMs=30000&limit=1", b"a=%00&a=%ff")),
    "path": Target(
        check_path,
        (
            b"/v1/messages/m",
            b"/v1/conversations/c/participants/a%2Fb",
            b"/v1/messages/%00",
            b"/v1/messages/\0a",
            b"//%C3%28",
        ),
    ),
    "resume_token": Target(check_resume_token, (b"id.1.secret", b"id.999999999999999999.s", b"..", b"a.\xd9\xa1.b")),
    "token": Target(check_token, (*_TOKENS, b"e30.e30.e30", b"eyJhbGciOiJub25lIn0.e30.AA", b"a.b.c.d.e", b"." * 200)),
    "envelope": Target(check_envelope, (*_SEALED, b"", b"\x01" * 60)),
}
