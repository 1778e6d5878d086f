"""2: pings and pongs."""

from __future__ import annotations

from tests.raw_frames.row import FLOOD, PROTOCOL_ERROR, closes, frame, lives, pieces, question, row, text
from tests.raw_socket import PING, PONG

_LARGEST = bytes(range(125))
_TEN = [b"payload-%d" % number for number in range(10)]

PINGS = (
    row("2.1", "a ping of nothing", frame(PING), lives(b"")),
    row("2.2", "a ping of text", frame(PING, b"Hello, world!"), lives(b"Hello, world!")),
    row("2.3", "a ping of what is no text", frame(PING, b"\x00\xff\xfe\xfd\xfc"), lives(b"\x00\xff\xfe\xfd\xfc")),
    row("2.4", "a ping of 125 bytes", frame(PING, _LARGEST), lives(_LARGEST)),
    row("2.5", "a ping of 126 bytes", frame(PING, b"\xfe" * 126), closes(PROTOCOL_ERROR)),
    row("2.6", "a ping of 65536 bytes", frame(PING, b"\xfe" * 65_536), closes(PROTOCOL_ERROR)),
    row("2.7", "a pong that nobody asked for", frame(PONG), lives()),
    row("2.8", "a pong of 125 bytes that nobody asked for", frame(PONG, _LARGEST), lives()),
    row("2.9", "a pong of 126 bytes", frame(PONG, b"\xfe" * 126), closes(PROTOCOL_ERROR)),
    row("2.10", "a ping behind such a pong", frame(PONG, b"old") + frame(PING, b"new"), lives(b"new")),
    row("2.11", "ten pings", b"".join(frame(PING, each) for each in _TEN), lives(*_TEN)),
    row(
        "2.12",
        "a ping before and behind a text",
        frame(PING, b"1") + text(question("a")) + frame(PING, b"2"),
        lives(b"1", b"2", "ok a"),
    ),
    row(
        "2.13",
        "pings between the pieces of a message",
        pieces(b'{"op":"ping",', b'"id"', b':"a"}', between=frame(PING, b"amid")),
        lives(b"amid", b"amid", "ok a"),
    ),
    row("2.14", "more pongs than may come", frame(PONG) * 400, closes(FLOOD)),
)
