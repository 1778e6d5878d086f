"""8 and 9: masks and lengths, and what is large or many."""

from __future__ import annotations

import struct

from tests.raw_frames.row import (
    MASK,
    MAX_MESSAGE_BYTES,
    PROTOCOL_ERROR,
    TOO_LARGE,
    begun,
    closes,
    cut,
    frame,
    lives,
    masked,
    more,
    pieces,
    question,
    row,
    text,
)
from tests.raw_socket import BINARY, CLOSE, CONT, PING, PONG, TEXT, encode_frame

_KINDS = {"text": TEXT, "binary message": BINARY, "ping": PING, "pong": PONG, "close": CLOSE, "further piece": CONT}
_LONG = question("a", MAX_MESSAGE_BYTES)


def _head(opcode: int, size: int, form: str) -> bytes:
    return bytes([0x80 | opcode, 0x80 | {"!H": 126, "!Q": 127}[form]]) + struct.pack(form, size) + MASK


def _in_long_form(payload: bytes, form: str) -> bytes:
    return _head(TEXT, len(payload), form) + masked(payload)


MASKS = (
    *(
        row(f"8.1.{at}", f"a {kind} without a mask", encode_frame(opcode, b"", masked=False), closes(PROTOCOL_ERROR))
        for at, (kind, opcode) in enumerate(_KINDS.items(), 1)
    ),
    row(
        "8.1.7",
        "behind one with a mask",
        frame(PING, b"1") + encode_frame(PING, masked=False),
        closes(PROTOCOL_ERROR, b"1"),
    ),
    row("8.1.8", "a mask of zeros", frame(TEXT, question("a"), mask=bytes(4)), lives("ok a")),
    row("8.1.9", "a mask of ones", frame(TEXT, question("a"), mask=b"\xff" * 4), lives("ok a")),
    row(
        "8.1.10",
        "another mask for each piece",
        frame(TEXT, question("a")[:7], fin=False, mask=b"\x01\x02\x03\x04")
        + frame(CONT, question("a")[7:], mask=b"abcd"),
        lives("ok a"),
    ),
)

# RFC 6455, 5.2, wants the shortest form from who sends, and says nothing to who receives.
_TAKEN_OR_NOT = (lives("ok a"), closes(PROTOCOL_ERROR))

LENGTHS = (
    row("8.2.1", "two bytes for a length of one", _in_long_form(question("a"), "!H"), *_TAKEN_OR_NOT),
    row("8.2.2", "eight bytes for a length of one", _in_long_form(question("a"), "!Q"), *_TAKEN_OR_NOT),
    row("8.2.3", "eight bytes for a length of two", _in_long_form(question("a", 65_535), "!Q"), *_TAKEN_OR_NOT),
    row("8.2.4", "65537 bytes announced", _head(TEXT, 65_537, "!Q"), closes(TOO_LARGE)),
    row("8.2.5", "2^31 bytes announced", _head(TEXT, 2**31, "!Q"), closes(TOO_LARGE)),
    row("8.2.6", "2^32 bytes announced", _head(BINARY, 2**32, "!Q"), closes(TOO_LARGE)),
    row("8.2.7", "2^63-1 bytes announced", _head(BINARY, 2**63 - 1, "!Q"), closes(TOO_LARGE)),
    # No length of more than 63 bits is one, and it is too large, too.
    row("8.2.8", "2^63 bytes announced", _head(TEXT, 2**63, "!Q"), closes(PROTOCOL_ERROR), closes(TOO_LARGE)),
    row("8.2.9", "2^64-1 bytes announced", _head(TEXT, 2**64 - 1, "!Q"), closes(PROTOCOL_ERROR), closes(TOO_LARGE)),
    row(
        "8.2.10",
        "a ping of 2^63-1 bytes announced",
        _head(PING, 2**63 - 1, "!Q"),
        closes(PROTOCOL_ERROR),
        closes(TOO_LARGE),
    ),
    row(
        "8.2.11",
        "too much announced behind a first piece",
        begun(_LONG[:40_000]) + _head(CONT, 40_000, "!H"),
        closes(TOO_LARGE),
    ),
    row(
        "8.2.12",
        "too much announced for a further piece",
        begun(b"{") + _head(CONT, 2**63 - 1, "!Q"),
        closes(TOO_LARGE),
    ),
)

LARGE = (
    row("9.1.1", "64 KiB in two pieces", pieces(*cut(_LONG, 40_000)), lives("ok a")),
    row("9.1.2", "64 KiB in 64 pieces", pieces(*cut(_LONG, 1_024)), lives("ok a")),
    row("9.1.3", "64 KiB, and one byte in a further piece", begun(_LONG) + more(b" ", fin=True), closes(TOO_LARGE)),
    row("9.1.4", "64 KiB, and nothing in a further piece", pieces(_LONG, b""), lives("ok a")),
    row("9.1.5", "more than 64 KiB in pieces", pieces(*cut(_LONG + b" ", 40_000)), closes(TOO_LARGE)),
    row("9.1.6", "more than 64 KiB before the last piece", begun(_LONG) + more(b" "), closes(TOO_LARGE)),
    row(
        "9.1.7",
        "a ping where next to nothing more may come",
        begun(_LONG[:-1]) + frame(PING, bytes(125)) + more(_LONG[-1:], fin=True),
        lives(bytes(125), "ok a"),
    ),
    row(
        "9.1.8",
        "a ping where nothing more may come",
        begun(_LONG) + frame(PING, b"p") + more(fin=True),
        lives(b"p", "ok a"),
    ),
    row("9.1.9", "64 KiB twice", text(_LONG) * 2, lives("ok a", "ok a")),
    row(
        "9.1.10",
        "a binary message of 64 KiB and one byte in pieces",
        pieces(*cut(_LONG + b" ", 60_000), opcode=BINARY),
        closes(TOO_LARGE),
    ),
)

MANY = (
    row("9.2.1", "300 small texts", text(b'{"op":"pong"}') * 300 + text(question("last")), lives("ok last")),
    row(
        "9.2.2",
        "100 small texts that are answered",
        b"".join(text(question(str(number))) for number in range(100)),
        lives(*(f"ok {number}" for number in range(100))),
    ),
    row("9.2.3", "100 small texts in pieces", pieces(*cut(question("a"), 7)) * 100, lives(*["ok a"] * 100)),
    row("9.2.4", "100 texts of 1 KiB", text(question("a", 1_024)) * 100, lives(*["ok a"] * 100)),
)

MASKS_AND_LENGTHS = MASKS + LENGTHS
SIZES = LARGE + MANY
