"""A text message as it goes over a WebSocket (RFC 6455, section 5.2): one frame, unmasked, as servers send it.

What goes to many is framed once, and all of them are written the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FINAL_TEXT = b"\x81"
_SHORT, _MEDIUM = 125, 0xFFFF
_HEADER_BYTES = {126: 4, 127: 10}
"""By the byte that says how the length is written; any other is the length itself."""


def frame_text(payload: bytes) -> bytes:
    """Put a message of UTF-8 text into a frame."""
    size = len(payload)
    if size <= _SHORT:
        return b"%b%c%b" % (_FINAL_TEXT, size, payload)
    if size <= _MEDIUM:
        return b"%b\x7e%b%b" % (_FINAL_TEXT, size.to_bytes(2, "big"), payload)
    return b"%b\x7f%b%b" % (_FINAL_TEXT, size.to_bytes(8, "big"), payload)


def payload_of(frame: bytes) -> bytes:
    """Return the message that ``frame_text`` has framed."""
    return frame[_HEADER_BYTES.get(frame[1], 2) :]


def payloads_of(frames: bytes) -> Iterator[bytes]:
    """Iterate over the messages of frames that were joined."""
    at = 0
    while at < len(frames):
        length = frames[at + 1]
        start = at + _HEADER_BYTES.get(length, 2)
        at = start + (length if length <= _SHORT else int.from_bytes(frames[at + 2 : start]))
        yield frames[start:at]
