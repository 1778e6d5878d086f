"""5: messages in pieces."""

from __future__ import annotations

from tests.raw_frames.row import (
    BAD_FRAME,
    BINARY_REFUSED,
    FLOOD,
    PROTOCOL_ERROR,
    begun,
    closes,
    cut,
    frame,
    lives,
    more,
    pieces,
    question,
    row,
    text,
)
from tests.raw_socket import BINARY, PING, PONG

_FOUR = cut(question("abc"), 6)
_EACH_BYTE = cut(question("abc"), 1)
_UNLESS_CUT_OFF = (closes(PROTOCOL_ERROR), closes(PROTOCOL_ERROR, "ok a"))

WHOLE = (
    row("5.1.1", "a message in two pieces", pieces(question("a")[:9], question("a")[9:]), lives("ok a")),
    row("5.1.2", "in pieces of a byte", pieces(*_EACH_BYTE), lives("ok abc")),
    row("5.1.3", "the first of them empty", pieces(b"", question("a")), lives("ok a")),
    row("5.1.4", "the last of them empty", pieces(question("a"), b""), lives("ok a")),
    row("5.1.5", "all of them empty", pieces(b"", b"", b""), closes(BAD_FRAME)),
    row(
        "5.1.6", "with a ping between each two", pieces(*_FOUR, between=frame(PING, b"p")), lives(*[b"p"] * 3, "ok abc")
    ),
    row("5.1.7", "with a pong between each two", pieces(*_FOUR, between=frame(PONG, b"p")), lives("ok abc")),
    row("5.1.8", "a binary message in pieces", pieces(b"{", b"}", opcode=BINARY), closes(BINARY_REFUSED)),
    row(
        "5.1.9",
        "two messages in pieces",
        pieces(*cut(question("a"), 9)) + pieces(*cut(question("b"), 9)),
        lives("ok a", "ok b"),
    ),
    row("5.1.10", "a whole one behind one in pieces", pieces(*_FOUR) + text(question("b")), lives("ok abc", "ok b")),
    row(
        "5.1.11",
        "a ping behind the first piece",
        begun(b"{") + frame(PING, b"p") + more(b"x", fin=True),
        closes(BAD_FRAME, b"p"),
    ),
    row("5.1.12", "in 64 pieces", pieces(question("a"), *[b" "] * 63), lives("ok a")),
    row("5.1.13", "in 65 pieces", pieces(question("a"), *[b" "] * 64), closes(FLOOD)),
    row("5.1.14", "in 65 empty pieces", pieces(*[b""] * 65), closes(FLOOD)),
)

BROKEN = (
    row("5.2.1", "a ping in pieces", frame(PING, b"x", fin=False) + more(b"y", fin=True), closes(PROTOCOL_ERROR)),
    row("5.2.2", "a pong in pieces", frame(PONG, b"x", fin=False) + more(b"y", fin=True), closes(PROTOCOL_ERROR)),
    row("5.2.3", "a further piece of nothing", more(b"x"), closes(PROTOCOL_ERROR)),
    row("5.2.4", "a last piece of nothing", more(b"x", fin=True), closes(PROTOCOL_ERROR)),
    row("5.2.5", "an empty last piece of nothing", more(fin=True), closes(PROTOCOL_ERROR)),
    row("5.2.6", "a further piece of nothing, and a text", more(b"x") + text(question("a")), closes(PROTOCOL_ERROR)),
    row(
        "5.2.7",
        "a further piece behind a message in pieces",
        pieces(*cut(question("a"), 9)) + more(b"x"),
        *_UNLESS_CUT_OFF,
    ),
    row(
        "5.2.8", "a further piece behind a whole message", text(question("a")) + more(b"x", fin=True), *_UNLESS_CUT_OFF
    ),
    row("5.2.9", "a text in a message", begun(b"{") + text(question("a")), closes(PROTOCOL_ERROR)),
    row("5.2.10", "a binary message in a text", begun(b"{") + frame(BINARY, b"x"), closes(PROTOCOL_ERROR)),
    row("5.2.11", "a message in pieces in a message", begun(b"{") + begun(b"{"), closes(PROTOCOL_ERROR)),
    row("5.2.12", "the same in a binary message", begun(b"{", BINARY) + begun(b"{"), closes(PROTOCOL_ERROR)),
    row(
        "5.2.13",
        "behind a ping in a message",
        begun(b"{") + frame(PING, b"p") + text(b"{}"),
        closes(PROTOCOL_ERROR, b"p"),
    ),
)

FRAGMENTS = WHOLE + BROKEN
