"""From WebSocket messages to frames and back: what is no frame closes the socket, a faulty frame is only refused.

BadFrameError        closes the socket with its code
RefusedFrameError    is answered by an ``error`` frame; the connection lives on
"""

from __future__ import annotations

from typing import get_args

import msgspec

from sanctum_messaging.protocol.codes import CloseCode
from sanctum_messaging.protocol.decoding import FieldFaultsError, NotJSONError, StrictDecoder, parse_json
from sanctum_messaging.protocol.frames import AnyClientFrame, ClientFrame, Send, ServerFrame
from sanctum_messaging.protocol.metadata import read_metadata
from sanctum_messaging.protocol.resources import FieldProblem

MAX_FRAME_BYTES = 65_536
"""A message of 8,000 characters with its metadata takes at most 36 KiB, escapes aside."""
_MAX_ID_CHARACTERS = 64


class BadFrameError(Exception):
    """What was received is no frame at all; ``code`` is what the socket is closed with."""

    def __init__(self, code: CloseCode) -> None:
        """Keep the close code."""
        super().__init__(code)
        self.code = code


class RefusedFrameError(Exception):
    """A frame that is not taken: a problem code, the fields at fault and, where it could be read, the frame's id."""

    def __init__(self, code: str, *, faults: tuple[FieldProblem, ...] = (), frame_id: str | None = None) -> None:
        """Keep what the ``error`` frame tells."""
        super().__init__(code)
        self.code = code
        self.faults = faults
        self.frame_id = frame_id


class _Envelope(msgspec.Struct):
    op: str


class _Named(msgspec.Struct):
    id: str | None = None


_envelope_decoder = msgspec.json.Decoder(_Envelope)
_id_decoder = msgspec.json.Decoder(_Named)
_frame_decoders: dict[object, StrictDecoder[AnyClientFrame]] = {
    kind.__struct_config__.tag: StrictDecoder(kind) for kind in get_args(AnyClientFrame)
}
_encoder = msgspec.json.Encoder()


def decode_frame(message: str | bytes) -> AnyClientFrame:
    """Decode what one WebSocket message holds.

    Raises:
        BadFrameError: binary (1003), above 64 KiB (1009), or no JSON object with a text ``op`` (4500).
        RefusedFrameError: an unknown op, or fields that are unknown, missing, mistyped or hold what no text may hold.
    """
    if isinstance(message, bytes):
        raise BadFrameError(CloseCode.BINARY)
    raw = message.encode()
    if len(raw) > MAX_FRAME_BYTES:
        raise BadFrameError(CloseCode.TOO_LARGE)
    decoder = _frame_decoders.get(_find_op(raw))
    if decoder is None:
        raise RefusedFrameError("unknown_op", frame_id=_find_id(raw))
    try:
        frame = decoder.decode(raw)
        if isinstance(frame, Send):
            read_metadata(frame.metadata)
    except NotJSONError:
        raise BadFrameError(CloseCode.BAD_FRAME) from None
    except FieldFaultsError as error:
        raise RefusedFrameError("invalid", faults=tuple(error.faults), frame_id=_find_id(raw)) from None
    return frame


def find_frame_id(message: str | bytes) -> str | None:
    """Read the id alone, to answer a frame that is not looked at further; it costs far less than decoding it."""
    try:
        found = _id_decoder.decode(message).id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found if found and len(found) <= _MAX_ID_CHARACTERS else None


def encode_frame(frame: ServerFrame | ClientFrame) -> bytes:
    """Encode a frame. What goes to many is encoded once and its bytes are shared."""
    return _encoder.encode(frame)


def _find_op(raw: bytes) -> str:
    """Read the op alone; only the standard library takes a document that holds a lone surrogate somewhere."""
    try:
        return _envelope_decoder.decode(raw).op
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        op = _parse_object(raw).get("op")
    if not isinstance(op, str):
        raise BadFrameError(CloseCode.BAD_FRAME)
    return op


def _find_id(raw: bytes) -> str | None:
    """Read a frame's id, if it is one that could be answered to."""
    frame_id = _parse_object(raw).get("id")
    if not isinstance(frame_id, str) or not 0 < len(frame_id) <= _MAX_ID_CHARACTERS:
        return None
    return frame_id if frame_id.isascii() or frame_id.encode("utf-8", "replace").decode() == frame_id else None


def _parse_object(raw: bytes) -> dict[str, object]:
    try:
        value = parse_json(raw)
    except NotJSONError:
        raise BadFrameError(CloseCode.BAD_FRAME) from None
    if not isinstance(value, dict):
        raise BadFrameError(CloseCode.BAD_FRAME)
    return value
