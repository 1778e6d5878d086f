"""1: messages of every length encoding, text and binary."""

from __future__ import annotations

from tests.raw_frames.row import (
    BAD_FRAME,
    BINARY_REFUSED,
    MAX_MESSAGE_BYTES,
    TOO_LARGE,
    closes,
    frame,
    lives,
    question,
    row,
    text,
)
from tests.raw_socket import BINARY, TEXT

SIZES = (21, 124, 125, 126, 127, 128, 255, 256, 65_535, MAX_MESSAGE_BYTES)
"""About each place where the length takes another form, and the largest of all."""

FRAMING = (
    row("1.1.1", "an empty text is no JSON", text(b""), closes(BAD_FRAME)),
    *(
        row(f"1.1.{at}", f"a text of {size} bytes", text(question("a", size)), lives("ok a"))
        for at, size in enumerate(SIZES, 2)
    ),
    row("1.1.12", "a text of 65537 bytes", text(question("a", MAX_MESSAGE_BYTES + 1)), closes(TOO_LARGE)),
    row("1.1.13", "a text that is no JSON", text(b"hello"), closes(BAD_FRAME)),
    row("1.1.14", "a JSON text without an op", text(b"{}"), closes(BAD_FRAME)),
    row("1.1.15", "an op that there is not", text(b'{"op":"nothing"}'), lives("error unknown_op")),
    row(
        "1.1.16",
        "three texts in one segment",
        text(question("a")) + text(question("b")) + text(question("c")),
        lives("ok a", "ok b", "ok c"),
    ),
    row("1.2.1", "an empty binary message", frame(BINARY), closes(BINARY_REFUSED)),
    *(
        row(f"1.2.{at}", f"a binary message of {size} bytes", frame(BINARY, b"\xfe" * size), closes(BINARY_REFUSED))
        for at, size in enumerate(SIZES[1:], 2)
    ),
    row("1.2.11", "a binary message of 65537 bytes", frame(BINARY, bytes(65_537)), closes(TOO_LARGE)),
    row("1.2.12", "a frame of ours, but binary", frame(BINARY, question()), closes(BINARY_REFUSED)),
    row(
        "1.2.13",
        "a binary message behind a text",
        frame(TEXT, question("a")) + frame(BINARY, b"x"),
        closes(BINARY_REFUSED, "ok a"),
    ),
)
