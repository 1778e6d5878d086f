"""3 and 4: reserved bits and reserved opcodes."""

from __future__ import annotations

from tests.raw_frames.row import PROTOCOL_ERROR, close, closes, frame, pieces, question, row, text
from tests.raw_socket import BINARY, CLOSE, CONT, PING, PONG, TEXT

_KINDS = {"text": TEXT, "binary": BINARY, "ping": PING, "pong": PONG}
_UNLESS_CUT_OFF = (closes(PROTOCOL_ERROR), closes(PROTOCOL_ERROR, "ok a"))
"""What stands before a fault is taken, but the close does not wait for its answer."""

RESERVED_BITS = (
    *(
        row(
            f"3.1.{rsv}",
            f"a text with the reserved bits {rsv:03b}",
            frame(TEXT, b"{}", rsv=rsv),
            closes(PROTOCOL_ERROR),
        )
        for rsv in range(1, 8)
    ),
    *(
        row(f"3.2.{at}", f"a {kind} with a reserved bit", frame(opcode, b"x", rsv=4), closes(PROTOCOL_ERROR))
        for at, (kind, opcode) in enumerate(_KINDS.items(), 1)
    ),
    row("3.2.5", "a close with all of them", frame(CLOSE, b"\x03\xe8", rsv=7), closes(PROTOCOL_ERROR)),
    row("3.3.1", "behind a ping", frame(PING, b"1") + frame(TEXT, b"{}", rsv=2), closes(PROTOCOL_ERROR, b"1")),
    row("3.3.2", "behind a text", text(question("a")) + frame(TEXT, b"{}", rsv=1), *_UNLESS_CUT_OFF),
    row("3.3.3", "before a ping", frame(TEXT, b"{}", rsv=1) + frame(PING, b"1"), closes(PROTOCOL_ERROR)),
    row("3.3.4", "before a close", frame(TEXT, b"{}", rsv=1) + close(1_000), closes(PROTOCOL_ERROR)),
    row(
        "3.3.5",
        "in a piece that is not the first",
        frame(TEXT, b"{", fin=False) + frame(CONT, b"}", rsv=4),
        closes(PROTOCOL_ERROR),
    ),
)

RESERVED_OPCODES = (
    *(
        row(f"4.{1 + (opcode > 7)}.{opcode}", f"the opcode {opcode}", frame(opcode, payload), closes(PROTOCOL_ERROR))
        for opcode, payload in zip((3, 4, 5, 6, 7, 11, 12, 13, 14, 15), (b"", b"reserved") * 5, strict=True)
    ),
    row("4.3.1", "behind a ping", frame(PING, b"1") + frame(5), closes(PROTOCOL_ERROR, b"1")),
    row("4.3.2", "behind a text", text(question("a")) + frame(13, b"x"), *_UNLESS_CUT_OFF),
    row("4.3.3", "before a ping", frame(3) + frame(PING, b"1"), closes(PROTOCOL_ERROR)),
    row("4.3.4", "between pieces", pieces(b"{", b"}", between=frame(11)), closes(PROTOCOL_ERROR)),
    row("4.3.5", "of a message in pieces", frame(6, fin=False) + frame(CONT), closes(PROTOCOL_ERROR)),
)
