"""7: how a connection ends."""

from __future__ import annotations

from tests.raw_frames.row import (
    BAD_FRAME,
    NO_CODE,
    NORMAL,
    NOT_UTF8,
    PROTOCOL_ERROR,
    Then,
    begun,
    close,
    closes,
    drops,
    frame,
    lives,
    more,
    question,
    row,
    text,
)
from tests.raw_socket import CLOSE, PING

_VALID_CODES = (*range(1_000, 1_004), *range(1_007, 1_015), 3_000, 3_999, 4_000, 4_999)
_INVALID_CODES = (0, 1, 999, 1_004, 1_005, 1_006, 1_015, 1_016, 1_100, 2_000, 2_999, 5_000, 65_535)
_WAIT = Then.WAIT

ORDER = (
    row("7.1.1", "a close", close(NORMAL), closes(NORMAL), then=_WAIT),
    row("7.1.2", "behind a ping", frame(PING, b"1") + close(NORMAL), closes(NORMAL, b"1"), then=_WAIT),
    row(
        "7.1.3",
        "behind a text, whose answer may be cut off",
        text(question("a")) + close(NORMAL),
        closes(NORMAL),
        closes(NORMAL, "ok a"),
        then=_WAIT,
    ),
    row("7.1.4", "two of them", close(NORMAL) + close(NORMAL), closes(NORMAL), then=_WAIT),
    row("7.1.5", "another code behind it", close(NORMAL) + close(1_001), closes(NORMAL), then=_WAIT),
    row("7.1.6", "a ping behind it", close(NORMAL) + frame(PING, b"late"), closes(NORMAL), then=_WAIT),
    row("7.1.7", "a text behind it", close(NORMAL) + text(question("late")), closes(NORMAL), then=_WAIT),
    row("7.1.8", "what is no frame behind it", close(NORMAL) + b"\xff" * 100, closes(NORMAL), then=_WAIT),
    row("7.1.9", "within a message", begun(b"{") + close(NORMAL), closes(NORMAL), then=_WAIT),
    row(
        "7.1.10",
        "within a message that goes on",
        begun(b"{") + close(NORMAL) + more(b"}", fin=True),
        closes(NORMAL),
        then=_WAIT,
    ),
    row(
        "7.1.11",
        "behind a text that is no frame of ours",
        text(b"?") + close(NORMAL),
        closes(BAD_FRAME),
        closes(NORMAL),
        then=_WAIT,
    ),
    row("7.1.12", "a bye", text(b'{"op":"bye"}'), closes(NORMAL)),
    row("7.1.13", "a close behind a bye", text(b'{"op":"bye"}') + close(NORMAL), closes(NORMAL), then=_WAIT),
)

PAYLOADS = (
    row("7.2.1", "without a code", close(), closes(NO_CODE), then=_WAIT),
    row("7.2.2", "with half a code", frame(CLOSE, b"\x03"), closes(PROTOCOL_ERROR)),
    row("7.2.3", "with a reason", close(NORMAL, b"Hello, world!"), closes(NORMAL), then=_WAIT),
    row("7.2.4", "with a reason of 123 bytes", close(NORMAL, b"x" * 123), closes(NORMAL), then=_WAIT),
    row("7.2.5", "with a reason of 124 bytes", close(NORMAL, b"x" * 124), closes(PROTOCOL_ERROR)),
    row("7.2.6", "with a reason of two bytes a letter", close(NORMAL, "ö".encode() * 61), closes(NORMAL), then=_WAIT),
    row("7.2.7", "with a reason that is no UTF-8", close(NORMAL, b"\xce\xba\xed\xa0\x80"), closes(NOT_UTF8)),
    row("7.2.8", "with a reason that ends in a letter", close(NORMAL, b"\xe2\x82"), closes(NOT_UTF8)),
    row("7.2.9", "in pieces", frame(CLOSE, b"\x03\xe8", fin=False), closes(PROTOCOL_ERROR)),
)

CODES = (
    *(row(f"7.3.{code}", f"the code {code}", close(code), closes(code), then=_WAIT) for code in _VALID_CODES),
    *(row(f"7.4.{code}", f"the code {code}", close(code), closes(PROTOCOL_ERROR)) for code in _INVALID_CODES),
)

LEFT = (
    row("7.5.1", "the client ends its side", b"", drops(), then=Then.LEAVE),
    row("7.5.2", "within a head", b"\x81", drops(), then=Then.LEAVE),
    row("7.5.3", "within a frame", text(question("a"))[:-1], drops(), then=Then.LEAVE),
    row("7.5.4", "within a message", begun(b"{"), drops(), then=Then.LEAVE),
    row("7.5.5", "nothing is said for a while", b"", lives()),
)

CLOSING = ORDER + PAYLOADS + CODES + LEFT
