"""What a row of the table says: what a client sends on a live stream, and what has to come back."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum, auto
from itertools import cycle

from tests.raw_socket import CLOSE, CONT, TEXT

MASK = b"\x37\xfa\x21\x3d"
"""What RFC 6455 masks its own examples with."""
NORMAL, PROTOCOL_ERROR, BINARY_REFUSED, NO_CODE, NOT_UTF8, TOO_LARGE = 1_000, 1_002, 1_003, 1_005, 1_007, 1_009
FLOOD, BAD_FRAME = 4_007, 4_500
MAX_MESSAGE_BYTES = 65_536


class End(Enum):
    """How a connection ends without a close of the server's, if it does."""

    LIVES = auto()
    DROPPED = auto()


class Then(Enum):
    """What the client does once it has sent a row."""

    ASK = auto()
    """It asks whether the server is there."""
    WAIT = auto()
    """It says no more: what it sent was a close."""
    LEAVE = auto()
    """It ends its side of the connection."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes back. Pongs and texts are each in the order of what they answer; neither waits for the other."""

    end: int | End
    """The code of the server's close, if it sends one."""
    pongs: tuple[bytes, ...] = ()
    texts: tuple[str, ...] = ()
    """``ok`` with the frame's id, or ``error`` with the problem's code."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case."""

    number: str
    title: str
    sent: bytes
    outcomes: tuple[Outcome, ...]
    """More than one where RFC 6455 leaves the choice to the server, or an answer is cut off by the close."""
    then: Then

    def __str__(self) -> str:
        return f"{self.number} {self.title}"


def row(number: str, title: str, sent: bytes, *outcomes: Outcome, then: Then = Then.ASK) -> Row:
    """Write a row."""
    return Row(number, title, sent, outcomes, then)


def lives(*said: str | bytes) -> Outcome:
    """The connection lives on; pongs are written as bytes."""
    return _outcome(End.LIVES, said)


def closes(code: int, *said: str | bytes) -> Outcome:
    """The server closes, or answers a close, with a code."""
    return _outcome(code, said)


def drops() -> Outcome:
    """The server ends the connection without a close."""
    return Outcome(End.DROPPED)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes = MASK) -> bytes:
    """Encode a frame, with a mask that changes what it masks."""
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65_536:
        head += struct.pack("!BH", 0x80 | 126, size)
    else:
        head += struct.pack("!BQ", 0x80 | 127, size)
    return head + mask + masked(payload, mask)


def masked(payload: bytes, mask: bytes = MASK) -> bytes:
    """Mask a payload, or take the mask off."""
    return bytes(byte ^ key for byte, key in zip(payload, cycle(mask), strict=False))


def text(payload: bytes) -> bytes:
    """Encode a text in one frame."""
    return frame(TEXT, payload)


def pieces(*payloads: bytes, opcode: int = TEXT, between: bytes = b"") -> bytes:
    """Encode a message in so many frames, with something between each two of them."""
    last = len(payloads) - 1
    frames = [frame(CONT if at else opcode, payload, fin=at == last) for at, payload in enumerate(payloads)]
    return between.join(frames)


def begun(payload: bytes = b"", opcode: int = TEXT) -> bytes:
    """Encode the first piece of a message that goes on."""
    return frame(opcode, payload, fin=False)


def more(payload: bytes = b"", *, fin: bool = False) -> bytes:
    """Encode a further piece of a message."""
    return frame(CONT, payload, fin=fin)


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    """Encode a client's close."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def question(name: str | bytes = "a", size: int = 0) -> bytes:
    """Write a frame of our protocol that is answered by ``ok`` with the name, padded to a size."""
    raw = name.encode() if isinstance(name, str) else name
    return (b'{"op":"ping","id":"' + raw + b'"}').ljust(size)


def cut(payload: bytes, size: int) -> list[bytes]:
    """Cut a payload into pieces of a size; the last may be shorter."""
    return [payload[at : at + size] for at in range(0, len(payload), size)]


def _outcome(end: int | End, said: tuple[str | bytes, ...]) -> Outcome:
    pongs = tuple(each for each in said if isinstance(each, bytes))
    return Outcome(end, pongs, tuple(each for each in said if isinstance(each, str)))
